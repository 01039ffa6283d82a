SELECT t0."name", t0."capital"
FROM "output"."countries" AS t0
WHERE t0."area_km2" > $1::float8
ORDER BY t0."area_km2" DESC NULLS LAST, t0."code"
LIMIT $2::bigint
