SELECT t0."population", t0."official_name"
FROM "output"."countries" AS t0
WHERE t0."code" = $1::text
