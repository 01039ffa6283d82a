SELECT (SELECT array_agg(s1.r)
FROM (SELECT ROW(t0."code") AS r
FROM "output"."countries" AS t0
ORDER BY t0."code" DESC
LIMIT $1::bigint) AS s1)
