SELECT t0."code", t0."continent_code"
FROM "output"."countries" AS t0
ORDER BY t0."code"
LIMIT $1::bigint
