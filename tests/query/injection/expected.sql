SELECT (SELECT array_agg(s1.r)
FROM (SELECT ROW(t0."code") AS r
FROM "output"."countries" AS t0
WHERE t0."name" = $1::text
ORDER BY t0."code"
LIMIT $2::bigint) AS s1)
, (SELECT count(*)
FROM "output"."countries" AS t2
WHERE t2."name" LIKE $3::text)
