SELECT ARRAY(SELECT ROW(t0."name")
FROM "output"."countries" AS t0
ORDER BY t0."area_km2", t0."code"
LIMIT $1::bigint), ARRAY(SELECT ROW(t1."name")
FROM "output"."countries" AS t1
ORDER BY t1."area_km2" DESC NULLS LAST, t1."code"
LIMIT $2::bigint)
, (SELECT ROW(ARRAY(SELECT ROW(t3."name")
FROM "output"."countries" AS t3
WHERE t3."code" = ANY(t2."neighbours") AND t3."code" = ANY($4::text[])
ORDER BY t3."code"
LIMIT $5::bigint), ARRAY(SELECT ROW(t4."name")
FROM "output"."countries" AS t4
WHERE t4."code" = ANY(t2."neighbours") AND NOT (t4."code" = ANY($4::text[]))
ORDER BY t4."code"
LIMIT $6::bigint)
, (SELECT count(*)
FROM "output"."countries" AS t4
WHERE t4."code" = ANY(t2."neighbours") AND NOT (t4."code" = ANY($4::text[]))))
FROM "output"."countries" AS t2
WHERE t2."code" = $3::text)
