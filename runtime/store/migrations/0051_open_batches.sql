-- Batches that are being written. A row is there, committed, before the first row of its batch is written, and goes in the
-- transaction that makes the batch's rows count: whoever sees it sees none of them. While the batch is written, its
-- transaction holds the advisory lock of its slot.
CREATE TABLE control.open_batches (
    batch      uuid        PRIMARY KEY,
    slot       integer     GENERATED ALWAYS AS IDENTITY (CYCLE),
    table_name text        NOT NULL,
    -- all of its rows have higher positions
    position   bigint      NOT NULL,
    opened_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Between which positions the rows of a batch are: after the first, up to the second.
ALTER TABLE control.batches ADD COLUMN after_position bigint, ADD COLUMN up_to_position bigint;
CREATE INDEX batches_by_position ON control.batches (dataset, up_to_position);
