-- Why events that were stored are not published, while that is so: what is refused is recorded once for each cause, by the run
-- of which the id is here, and tried again when something has changed or the time has come.
CREATE TABLE control.events_held (
    only_one      boolean     PRIMARY KEY DEFAULT true CHECK (only_one),
    since         timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id        uuid        REFERENCES control.runs ON DELETE SET NULL,
    -- what refused them; the same as long as the same rules are broken, by however many rows
    cause         text        NOT NULL,
    -- what the outcome depends on besides new events
    circumstances text        NOT NULL,
    attempts      integer     NOT NULL DEFAULT 1,
    due_at        timestamptz NOT NULL
);
