-- materialized: incremental
-- key: post
SELECT e.post, count(*)::integer AS entries FROM input.events AS e GROUP BY e.post
