SELECT (SELECT array_agg(s1.r)
FROM (SELECT ROW(t0."code") AS r
FROM "output"."countries" AS t0
ORDER BY t0."code"
LIMIT $1::bigint) AS s1)
, (SELECT array_agg(s3.r)
FROM (SELECT ROW(t2."code") AS r
FROM "output"."countries" AS t2
ORDER BY t2."code"
LIMIT $2::bigint) AS s3)
