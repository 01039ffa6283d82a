SELECT ARRAY(SELECT ROW(t1."code", ARRAY(SELECT ROW(t2."name")
FROM "output"."countries" AS t2
WHERE t2."code" = ANY(t1."neighbours")
ORDER BY t2."area_km2" DESC NULLS LAST, t2."code"
LIMIT $3::bigint))
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours")
ORDER BY t1."code"
LIMIT $2::bigint)
, (SELECT count(*)
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours"))
FROM "output"."countries" AS t0
WHERE t0."code" = $1::text
