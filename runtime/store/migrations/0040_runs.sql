-- Runs wait in a queue, are held by one process at a time, can be cancelled and tried again, and say more of themselves.
ALTER TABLE control.runs
    ADD COLUMN pull                boolean     NOT NULL DEFAULT true,
    ADD COLUMN attempt             integer     NOT NULL DEFAULT 1,
    ADD COLUMN retry_of            uuid        REFERENCES control.runs,
    ADD COLUMN queued_at           timestamptz,
    ADD COLUMN due_at              timestamptz,
    ADD COLUMN holder              uuid,
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN cancelled_by        text,
    DROP CONSTRAINT runs_state_check,
    ADD CONSTRAINT runs_state_check CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled'));
-- apart from the run's own row, which a publish has locked for as long as it takes
CREATE TABLE control.heartbeats (
    run_id uuid        PRIMARY KEY REFERENCES control.runs ON DELETE CASCADE,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX runs_queued ON control.runs (due_at) WHERE state = 'queued';

ALTER TABLE control.steps
    ADD COLUMN bytes bigint,
    DROP CONSTRAINT steps_state_check,
    ADD CONSTRAINT steps_state_check CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled'));

-- what a run says while it goes on, at most some lines of it
CREATE TABLE control.run_log (
    run_id   uuid        NOT NULL REFERENCES control.runs ON DELETE CASCADE,
    position integer     NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    level    text        NOT NULL CHECK (level IN ('info', 'warning', 'error')),
    message  text        NOT NULL,
    PRIMARY KEY (run_id, position)
);
