-- materialized: incremental
-- key: sensor
SELECT c.sensor, count(*) AS readings, avg(c.value) AS mean, sum(c.price) AS total FROM abstraction.clean_readings AS c GROUP BY c.sensor
