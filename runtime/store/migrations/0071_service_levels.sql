-- How the output port answered, by hour: sums of audit records, written in their transactions.
CREATE TABLE control.traffic (
    hour     timestamptz PRIMARY KEY,
    requests bigint      NOT NULL,
    failed   bigint      NOT NULL,
    -- how many took how long: the bounds are the program's
    buckets  bigint[]    NOT NULL
);

-- Whether each service level is kept, and whether those who want to know have been told.
CREATE TABLE control.level_states (
    level    text        PRIMARY KEY,
    missed   boolean     NOT NULL,
    since    timestamptz NOT NULL DEFAULT clock_timestamp(),
    id       uuid        NOT NULL DEFAULT gen_random_uuid(),
    told     boolean     NOT NULL,
    attempts integer     NOT NULL DEFAULT 0,
    next_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    message  jsonb       NOT NULL
);
