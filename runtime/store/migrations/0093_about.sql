-- What is said of the product as it was put in at run time, the newest last. Without a value, the folder's own is back.
CREATE TABLE control.put_about (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    element  text        NOT NULL CHECK (element IN ('links', 'description', 'dataset', 'field')),
    dataset  text        CHECK ((dataset IS NOT NULL) = (element IN ('dataset', 'field'))),
    field    text        CHECK ((field IS NOT NULL) = (element = 'field')),
    value    jsonb,
    -- hash of what the folder says: a folder that was changed since then has the last word
    base     text        NOT NULL,
    put_by   text,
    put_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX put_about_by_element ON control.put_about (element, dataset, field, position DESC);

CREATE FUNCTION control.notice_about() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM control.notice('product', 'product.described', concat_ws('/', NEW.element, NEW.dataset, NEW.field), NULL,
        jsonb_build_object('element', NEW.element, 'dataset', NEW.dataset, 'field', NEW.field,
            'folder', NEW.value IS NULL));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER notice_about AFTER INSERT ON control.put_about DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION control.notice_about();

-- A run that pulls one of the input ports, and no other.
ALTER TABLE control.runs ADD COLUMN only_port text;
