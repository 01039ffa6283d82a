SELECT ARRAY(SELECT ROW(t0."code")
FROM "output"."countries" AS t0
ORDER BY t0."code"
LIMIT $1::bigint), ARRAY(SELECT ROW(t1."code")
FROM "output"."countries" AS t1
ORDER BY t1."code"
LIMIT $2::bigint)
