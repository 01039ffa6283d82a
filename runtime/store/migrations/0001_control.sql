-- The records of a product: what ran, what was published, what was checked, who asked.
CREATE TABLE control.runs (
    id           uuid PRIMARY KEY,
    trigger      text        NOT NULL CHECK (trigger IN ('start', 'manual', 'schedule', 'upstream')),
    requested_by text,
    state        text        NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled')),
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz,
    version      bigint,
    error_code   text,
    error        text
);
CREATE INDEX runs_by_start ON control.runs (started_at DESC);
-- one run at a time, whatever process it is in
CREATE UNIQUE INDEX one_running ON control.runs ((true)) WHERE state = 'running';

CREATE TABLE control.steps (
    run_id     uuid        NOT NULL REFERENCES control.runs ON DELETE CASCADE,
    position   integer     NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('pull', 'model', 'check', 'publish')),
    name       text        NOT NULL,
    state      text        NOT NULL CHECK (state IN ('running', 'succeeded', 'failed')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at   timestamptz,
    rows       bigint,
    detail     text,
    PRIMARY KEY (run_id, position)
);

CREATE TABLE control.quality_results (
    run_id    uuid    NOT NULL REFERENCES control.runs ON DELETE CASCADE,
    position  integer NOT NULL,
    rule      text    NOT NULL,
    dataset   text    NOT NULL,
    field     text,
    severity  text    NOT NULL CHECK (severity IN ('error', 'warning', 'info')),
    dimension text,
    status    text    NOT NULL CHECK (status IN ('passed', 'failed')),
    expected  text    NOT NULL,
    measured  text    NOT NULL,
    sample    jsonb   NOT NULL DEFAULT '[]',
    PRIMARY KEY (run_id, position)
);

CREATE TABLE control.versions (
    version      bigint      PRIMARY KEY,
    run_id       uuid        NOT NULL REFERENCES control.runs,
    content      text        NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state        text        NOT NULL CHECK (state IN ('current', 'kept', 'dropped')),
    datasets     jsonb       NOT NULL
);
CREATE UNIQUE INDEX one_current ON control.versions ((true)) WHERE state = 'current';

CREATE TABLE control.batches (
    id              uuid        PRIMARY KEY,
    dataset         text        NOT NULL,
    origin          text        NOT NULL,
    mode            text        NOT NULL CHECK (mode IN ('replace', 'append')),
    rows            bigint      NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    received_from   text,
    idempotency_key text,
    UNIQUE (dataset, idempotency_key)
);

CREATE TABLE control.outbox (
    position  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version   bigint      NOT NULL,
    dataset   text        NOT NULL,
    operation text        NOT NULL CHECK (operation IN ('insert', 'update', 'delete')),
    key       jsonb       NOT NULL,
    row       jsonb,
    at        timestamptz NOT NULL DEFAULT transaction_timestamp()
);

CREATE TABLE control.audit_log (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    subject  text,
    roles    text[]      NOT NULL,
    action   text        NOT NULL,
    object   text        NOT NULL,
    allowed  boolean     NOT NULL,
    detail   jsonb
);

CREATE TABLE metadata.product (
    id         text        PRIMARY KEY,
    version    text        NOT NULL,
    content    text        NOT NULL,
    document   jsonb       NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE security.policies (
    line     text        PRIMARY KEY,
    added_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    added_by text
);
