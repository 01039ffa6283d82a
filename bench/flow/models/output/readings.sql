-- materialized: incremental
-- key: id
SELECT c.id, c.sensor, c.at, c.value, c.price, coalesce(c.price > 500000, false) AS is_dear FROM abstraction.clean_readings AS c
