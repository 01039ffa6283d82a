SELECT (SELECT array_agg(s2.r)
FROM (SELECT ROW(t0."code") AS r
FROM "output"."countries" AS t0
WHERE EXISTS (SELECT 1
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours") AND t1."area_km2" < $1::float8)
ORDER BY t0."code"
LIMIT $2::bigint) AS s2)
, (SELECT count(*)
FROM "output"."countries" AS t3
WHERE NOT EXISTS (SELECT 1
FROM "output"."countries" AS t4
WHERE t4."code" = ANY(t3."neighbours") AND t4."area_km2" < $3::float8) AND EXISTS (SELECT 1
FROM "output"."countries" AS t5
WHERE t5."code" = ANY(t3."neighbours")))
, (SELECT array_agg(s10.r)
FROM (SELECT ROW(t7."code") AS r
FROM "output"."countries" AS t7
WHERE (cardinality(t7."neighbours") = 0) = $4::boolean AND NOT EXISTS (SELECT 1
FROM "output"."countries" AS t8
WHERE t8."code" = ANY(t7."neighbours") AND (EXISTS (SELECT 1
FROM "output"."countries" AS t9
WHERE t9."code" = ANY(t8."neighbours") AND t9."code" = $5::text)) IS NOT TRUE)
ORDER BY t7."code"
LIMIT $6::bigint) AS s10)
