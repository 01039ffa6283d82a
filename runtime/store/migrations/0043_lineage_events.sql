-- OpenLineage events of runs, kept for the observability port and sent on to whoever is named by OPENLINEAGE_URL.
CREATE TABLE control.lineage_events (
    position   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id     uuid        NOT NULL REFERENCES control.runs ON DELETE CASCADE,
    event_type text        NOT NULL CHECK (event_type IN ('START', 'COMPLETE', 'FAIL', 'ABORT')),
    event      jsonb       NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at    timestamptz,
    UNIQUE (run_id, event_type)
);
CREATE INDEX lineage_events_to_send ON control.lineage_events (position) WHERE sent_at IS NULL;
