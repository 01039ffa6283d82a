SELECT (SELECT count(*)
FROM "output"."countries" AS t0
WHERE t0."area_km2" > $1::float8), ARRAY(SELECT ROW(t0."continent_code", count(*), sum(t0."area_km2"), max(t0."name"), count(DISTINCT t0."currency_code"))
FROM "output"."countries" AS t0
WHERE t0."area_km2" > $1::float8
GROUP BY t0."continent_code"
HAVING count(*) >= $2::bigint AND NOT (sum(t0."area_km2") < $3::float8)
ORDER BY sum(t0."area_km2") DESC NULLS LAST, t0."continent_code"
LIMIT $4::bigint OFFSET $5::bigint)
