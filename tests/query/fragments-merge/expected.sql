SELECT t0."name"
, (SELECT array_agg(s2.r)
FROM (SELECT ROW(t1."code", t1."name") AS r
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours")
ORDER BY t1."code"
LIMIT $2::bigint) AS s2), t0."capital"
FROM "output"."countries" AS t0
WHERE t0."code" = $1::text
