-- The contracts that were in force, the newest last: what a new folder is compared with before it is applied.
CREATE TABLE metadata.applied (
    position   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version    text        NOT NULL,
    sources    jsonb       NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
