-- How a version came to be: by a run, beside what was published; or in place, by rows that came in since.
ALTER TABLE control.versions ADD COLUMN kind text NOT NULL DEFAULT 'batch' CHECK (kind IN ('batch', 'stream'));
-- Which input rows are in it: {TABLE: {"position": …, "generation": …}}.
ALTER TABLE control.versions ADD COLUMN inputs jsonb NOT NULL DEFAULT '{}';
-- What each model was made from: {"LAYER.TABLE": stamp}; a model of the same stamp need not be made again.
ALTER TABLE control.versions ADD COLUMN models jsonb NOT NULL DEFAULT '{}';

-- How often rows of an input table went or were changed. Rows that only came are known by their position.
CREATE TABLE control.input_generations (
    table_name text   PRIMARY KEY,
    generation bigint NOT NULL DEFAULT 0
);

CREATE FUNCTION control.count_input_generation() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO control.input_generations AS g (table_name, generation) VALUES (TG_TABLE_NAME, 1)
        ON CONFLICT (table_name) DO UPDATE SET generation = g.generation + 1;
    RETURN NULL;
END $$;
