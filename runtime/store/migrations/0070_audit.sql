-- Who did what with the product: a chain of records, each with a hash over itself and the one before. Records that come together
-- are one row, whose text Postgres compresses: a row and its indexes for each would cost more than the requests that it tells of.
CREATE TABLE control.audit_blocks (
    first    bigint   PRIMARY KEY,
    last     bigint   NOT NULL,
    -- what is looked for first: the least and the greatest time (microseconds), who, and did what
    since    bigint   NOT NULL,
    until    bigint   NOT NULL,
    subjects text[]   NOT NULL,
    actions  text[]   NOT NULL,
    -- JSON, byte by byte as it was hashed, by position; and the hashes
    records  text[]   NOT NULL,
    hashes   bytea[]  NOT NULL
);
CREATE INDEX audit_by_time ON control.audit_blocks (until, since);

CREATE VIEW control.audit AS
    SELECT b.first + r.place - 1 AS position, r.record::json AS record, r.hash
    FROM control.audit_blocks AS b CROSS JOIN LATERAL unnest(b.records, b.hashes) WITH ORDINALITY AS r (record, hash, place);

-- The end of the chain: who appends holds this row, so that positions are without gaps, whatever writes at the same time.
CREATE TABLE control.audit_head (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- the chain's own name: spool files that wait for it are kept under it
    chain    uuid    NOT NULL DEFAULT gen_random_uuid(),
    position bigint  NOT NULL,
    hash     bytea   NOT NULL
);
INSERT INTO control.audit_head (position, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

-- How far each spool was taken over: what is taken over twice is written once.
CREATE TABLE control.audit_spools (
    spool    uuid        PRIMARY KEY,
    through  bigint      NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Where the chain begins after old records were removed.
CREATE TABLE control.audit_checkpoints (
    position   bigint      PRIMARY KEY,
    hash       bytea       NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION control.keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- only who removes what is old, together with its checkpoint, says so
    IF TG_OP = 'DELETE' AND current_setting('terrane.prunes_audit', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'audit records are only ever added';
END $$;
CREATE TRIGGER keep_audit BEFORE UPDATE OR DELETE ON control.audit_blocks
    FOR EACH ROW EXECUTE FUNCTION control.keep_audit();
CREATE TRIGGER keep_all_audit BEFORE TRUNCATE ON control.audit_blocks
    FOR EACH STATEMENT EXECUTE FUNCTION control.keep_audit();

-- What was used, by whom: sums of the same records, written in the same transactions. `field` is empty for the dataset as a
-- whole, `version` 0 for the current one.
CREATE TABLE control.usage (
    day      date        NOT NULL,
    consumer text        NOT NULL,
    dataset  text        NOT NULL,
    field    text        NOT NULL,
    version  bigint      NOT NULL,
    requests bigint      NOT NULL,
    rows     bigint      NOT NULL,
    bytes    bigint      NOT NULL,
    denied   bigint      NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (day, consumer, dataset, field, version)
);

-- Entries of before: they are put into the chain at the next start.
ALTER TABLE control.audit_log RENAME TO audit_before;
