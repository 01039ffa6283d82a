SELECT t0."code", t0."name"
FROM "output"."countries" AS t0
ORDER BY t0."code"
LIMIT $1::bigint
