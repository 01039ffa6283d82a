SELECT ARRAY(SELECT ROW(count(*))
FROM "output"."countries" AS t0
GROUP BY t0."code"
ORDER BY t0."code"
LIMIT $1::bigint)
