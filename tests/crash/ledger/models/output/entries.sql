-- materialized: incremental
-- key: id
SELECT e.id, e.post, e.happened_at FROM input.events AS e
