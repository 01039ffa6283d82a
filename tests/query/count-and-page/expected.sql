SELECT ARRAY(SELECT ROW(t0."name", t0."area_km2")
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text
ORDER BY t0."area_km2" DESC NULLS LAST, t0."code"
LIMIT $2::bigint)
, (SELECT count(*)
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text)
