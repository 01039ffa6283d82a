-- What a version was made from and by which contract, when which version was current, and how long it was.
ALTER TABLE control.versions
    ADD COLUMN product_version text,
    ADD COLUMN contracts       jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN columns         jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN lineage         jsonb NOT NULL DEFAULT '{"inputs": [], "upstreams": [], "models": []}',
    ADD COLUMN ended_at        timestamptz,
    ADD COLUMN dropped_at      timestamptz;

CREATE TABLE control.currents (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version  bigint      NOT NULL REFERENCES control.versions ON DELETE CASCADE,
    since    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX currents_by_time ON control.currents (since);
INSERT INTO control.currents (version, since) SELECT version, published_at FROM control.versions ORDER BY version;
UPDATE control.versions SET ended_at = clock_timestamp() WHERE state <> 'current';
