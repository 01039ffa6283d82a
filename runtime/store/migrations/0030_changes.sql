-- What readers of the outbox need: the row as it was before (a caller's row filter decides by it whether a row has left what
-- the caller sees), positions in the order of commits, an order that can be read by dataset, what was removed, and a sign
-- that there is more.
ALTER TABLE control.outbox ADD COLUMN before jsonb;
CREATE INDEX outbox_by_dataset ON control.outbox (dataset, position);

-- Changes up to this position were removed.
CREATE TABLE control.outbox_floors (
    dataset  text   PRIMARY KEY,
    position bigint NOT NULL
);
-- changes of earlier versions have no `before`, and nothing has read them yet
INSERT INTO control.outbox_floors SELECT dataset, max(position) FROM control.outbox GROUP BY dataset;
DELETE FROM control.outbox;
ALTER TABLE control.outbox ADD CONSTRAINT outbox_rows CHECK (
    (operation = 'insert') = (before IS NULL) AND (operation = 'delete') = (row IS NULL)
);

-- Whoever writes here keeps others from it until its transaction ends: a position that can be seen has every lower one
-- before it, and who goes on after the last position it has seen misses nothing.
CREATE FUNCTION control.order_outbox() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock(8387794213376275828); RETURN NULL; END $$;
CREATE TRIGGER outbox_has_one_writer BEFORE INSERT ON control.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION control.order_outbox();

CREATE FUNCTION control.wake_readers() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('terrane_outbox', ''); RETURN NULL; END $$;
CREATE TRIGGER outbox_wakes_readers AFTER INSERT ON control.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION control.wake_readers();
