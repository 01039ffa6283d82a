SELECT t0."name", t0."population"
FROM "output"."countries" AS t0
ORDER BY t0."population" DESC, t0."code"
LIMIT $1::bigint
