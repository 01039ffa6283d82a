-- When each quality rule with a schedule of its own was due last.
CREATE TABLE control.recheck_schedules (
    dataset  text        NOT NULL,
    rule     text        NOT NULL,
    last_due timestamptz NOT NULL,
    PRIMARY KEY (dataset, rule)
);
