SELECT (SELECT array_agg(s4.r)
FROM (SELECT ROW((SELECT array_agg(s3.r)
FROM (SELECT ROW(t2."code") AS r
FROM "output"."countries" AS t2
WHERE t2."code" = ANY(t1."neighbours")
ORDER BY t2."code"
LIMIT $3::bigint) AS s3)) AS r
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours")
ORDER BY t1."code"
LIMIT $2::bigint) AS s4)
FROM "output"."countries" AS t0
ORDER BY t0."code"
LIMIT $1::bigint
