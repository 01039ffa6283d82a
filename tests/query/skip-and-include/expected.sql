SELECT t0."name", t0."tld"
FROM "output"."countries" AS t0
WHERE t0."code" = $1::text
