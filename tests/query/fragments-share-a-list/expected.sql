SELECT t0."code", ARRAY(SELECT ROW(t1."code", t1."name")
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours")
ORDER BY t1."code"
LIMIT $2::bigint)
, (SELECT count(*)
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours"))
, (SELECT ROW(count(*), max(t1."area_km2"))
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours"))
FROM "output"."countries" AS t0
WHERE t0."code" = $1::text
