-- materialized: incremental
-- key: id
-- Readings that have a value, with their sensor's name in small letters.
SELECT r.id, lower(r.sensor) AS sensor, r.at, r.value, r.price FROM input.readings AS r WHERE r.value IS NOT NULL
