-- What was put in at run time, the newest last. Without a text, the folder's own is back.
CREATE TABLE control.put_models (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path     text        NOT NULL,
    sql      text,
    -- hash of the folder's text that it was put in place of: a folder that was changed since then has the last word
    base     text,
    put_by   text,
    put_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX put_models_by_path ON control.put_models (path, position DESC);

CREATE TABLE control.put_rules (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset  text        NOT NULL,
    field    text,
    rule     text        NOT NULL,
    text     text,
    put_by   text,
    put_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX put_rules_by_rule ON control.put_rules (dataset, rule, position DESC);

-- Checks that were made between runs, of what is published.
CREATE TABLE control.rechecks (
    position  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    version   bigint      NOT NULL,
    rule      text        NOT NULL,
    dataset   text        NOT NULL,
    field     text,
    severity  text        NOT NULL CHECK (severity IN ('error', 'warning', 'info')),
    dimension text,
    status    text        NOT NULL CHECK (status IN ('passed', 'failed')),
    expected  text        NOT NULL,
    measured  text        NOT NULL,
    sample    jsonb       NOT NULL DEFAULT '[]'
);
CREATE INDEX rechecks_by_rule ON control.rechecks (dataset, rule, at DESC);
