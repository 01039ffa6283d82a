SELECT t0."code"
FROM "output"."countries" AS t0
ORDER BY t0."code"
LIMIT $1::bigint
