-- materialized: incremental
-- key: id
SELECT f.id, f.file, f.note FROM input.files AS f
