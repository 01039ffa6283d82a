SELECT (SELECT ROW(count(*), count(DISTINCT t0."currency_code"), sum(t0."area_km2"), sum(t0."population"), avg(t0."area_km2"), avg(t0."population"), min(t0."name"), min(t0."population"), max(t0."name"), max(t0."continent_code"), stddev_samp(t0."area_km2"))
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text)
