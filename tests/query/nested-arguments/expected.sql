SELECT t0."code", ARRAY(SELECT ROW(t1."code", ARRAY(SELECT ROW(t2."code")
FROM "output"."countries" AS t2
WHERE t2."code" = ANY(t1."neighbours") AND EXISTS (SELECT 1
FROM "output"."countries" AS t3
WHERE t3."code" = ANY(t2."neighbours") AND t3."code" = $6::text)
ORDER BY t2."code" DESC
LIMIT $7::bigint), t1."area_km2")
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours") AND t1."area_km2" > $3::float8
ORDER BY t1."area_km2" DESC NULLS LAST, t1."code"
LIMIT $4::bigint OFFSET $5::bigint)
, (SELECT count(*)
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours") AND t1."area_km2" > $3::float8), ARRAY(SELECT ROW(t4."code")
FROM "output"."countries" AS t4
WHERE t4."code" = ANY(t0."neighbours")
ORDER BY t4."area_km2" DESC NULLS LAST, t4."code"
LIMIT $8::bigint)
FROM "output"."countries" AS t0
WHERE t0."code" = ANY($1::text[])
ORDER BY t0."code"
LIMIT $2::bigint
