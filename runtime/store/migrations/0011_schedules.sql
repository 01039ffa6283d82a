-- When the pull of each input port was due last, and a schedule that takes the place of the descriptor's.
CREATE TABLE control.schedules (
    port       text        PRIMARY KEY,
    schedule   text,
    last_due   timestamptz NOT NULL,
    changed_by text,
    changed_at timestamptz
);
