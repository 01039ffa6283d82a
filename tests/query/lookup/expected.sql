SELECT t0."code", t0."name", t0."area_km2", t0."languages", t0."continent_code"
FROM "output"."countries" AS t0
WHERE t0."code" = $1::text
