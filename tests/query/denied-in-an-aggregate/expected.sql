SELECT (SELECT ROW(count(*), max(t0."area_km2"))
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text), ARRAY(SELECT ROW(t0."continent_code", count(*))
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text
GROUP BY t0."continent_code"
ORDER BY t0."continent_code"
LIMIT $2::bigint)
