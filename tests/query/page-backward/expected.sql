SELECT ARRAY(SELECT ROW(t0."code")
FROM "output"."countries" AS t0
ORDER BY t0."code" DESC
LIMIT $1::bigint)
