-- The product's own policy lines as they were put in at run time, the newest last. Without a text, the folder's own are back.
CREATE TABLE security.put_policies (
    position  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text      text,
    -- hash of the folder's lines that it was put in place of
    base      text        NOT NULL,
    reason    text        NOT NULL,
    -- the lines that held before and after, by their hashes, and how many decisions became others
    before    text        NOT NULL,
    after     text        NOT NULL,
    widening  bigint      NOT NULL CHECK (widening >= 0),
    narrowing bigint      NOT NULL CHECK (narrowing >= 0),
    put_by    text,
    put_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION security.keep_put_policies() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'policies that were put in are only ever added'; END $$;
CREATE TRIGGER keep_put_policies BEFORE UPDATE OR DELETE ON security.put_policies
    FOR EACH ROW EXECUTE FUNCTION security.keep_put_policies();
CREATE TRIGGER keep_all_put_policies BEFORE TRUNCATE ON security.put_policies
    FOR EACH STATEMENT EXECUTE FUNCTION security.keep_put_policies();
