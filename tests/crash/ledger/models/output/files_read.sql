-- materialized: incremental
-- key: file
SELECT f.file, count(*)::integer AS lines FROM input.files AS f GROUP BY f.file
