SELECT ARRAY(SELECT ROW(t0."code")
FROM "output"."countries" AS t0
WHERE t0."code" = $1::text
ORDER BY t0."code"
LIMIT $2::bigint)
, (SELECT ROW(count(*), sum(t0."area_km2"), max(t0."name"), count(DISTINCT t0."name"))
FROM "output"."countries" AS t0
WHERE t0."code" = $1::text), ARRAY(SELECT ROW(count(*))
FROM "output"."countries" AS t0
WHERE t0."code" = $1::text
GROUP BY t0."continent_code"
ORDER BY t0."continent_code"
LIMIT $3::bigint)
