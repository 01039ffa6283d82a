SELECT (SELECT array_agg(s1.r)
FROM (SELECT ROW(t0."name", t0."area_km2") AS r
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text
ORDER BY t0."area_km2" DESC NULLS LAST, t0."code"
LIMIT $2::bigint) AS s1)
, (SELECT count(*)
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text)
