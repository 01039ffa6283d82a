SELECT ARRAY(SELECT ROW(t0."code")
FROM "output"."countries" AS t0
WHERE EXISTS (SELECT 1
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours") AND t1."area_km2" < $1::float8)
ORDER BY t0."code"
LIMIT $2::bigint)
, (SELECT count(*)
FROM "output"."countries" AS t2
WHERE NOT EXISTS (SELECT 1
FROM "output"."countries" AS t3
WHERE t3."code" = ANY(t2."neighbours") AND t3."area_km2" < $3::float8) AND EXISTS (SELECT 1
FROM "output"."countries" AS t4
WHERE t4."code" = ANY(t2."neighbours"))), ARRAY(SELECT ROW(t5."code")
FROM "output"."countries" AS t5
WHERE (cardinality(t5."neighbours") = 0) = $4::boolean AND NOT EXISTS (SELECT 1
FROM "output"."countries" AS t6
WHERE t6."code" = ANY(t5."neighbours") AND (EXISTS (SELECT 1
FROM "output"."countries" AS t7
WHERE t7."code" = ANY(t6."neighbours") AND t7."code" = $5::text)) IS NOT TRUE)
ORDER BY t5."code"
LIMIT $6::bigint)
