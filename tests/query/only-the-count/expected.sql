SELECT (SELECT count(*)
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text)
