SELECT (SELECT array_agg(s1.r)
FROM (SELECT ROW(count(*)) AS r
FROM "output"."countries" AS t0
GROUP BY t0."code"
ORDER BY t0."code"
LIMIT $1::bigint) AS s1)
