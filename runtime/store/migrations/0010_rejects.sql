-- Rows of batches that were not taken in, and why; and where the pulls of each input port have got to.
ALTER TABLE control.batches ADD COLUMN rejected bigint NOT NULL DEFAULT 0;

CREATE TABLE control.rejects (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch    uuid        NOT NULL,
    dataset  text        NOT NULL,
    origin   text        NOT NULL,
    -- whether the whole batch was refused, or went on without its bad rows
    refused  boolean     NOT NULL,
    row      bigint      NOT NULL,
    field    text,
    value    text,
    reason   text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT transaction_timestamp()
);
CREATE INDEX rejects_by_dataset ON control.rejects (dataset, position DESC);
CREATE INDEX rejects_by_batch ON control.rejects (batch, position);

CREATE TABLE control.sources (
    port       text        PRIMARY KEY,
    batch      uuid        NOT NULL,
    state      jsonb       NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT transaction_timestamp()
);
