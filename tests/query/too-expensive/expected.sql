SELECT ARRAY(SELECT ROW(ARRAY(SELECT ROW(t2."code")
FROM "output"."countries" AS t2
WHERE t2."code" = ANY(t1."neighbours")
ORDER BY t2."code"
LIMIT $3::bigint))
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours")
ORDER BY t1."code"
LIMIT $2::bigint)
FROM "output"."countries" AS t0
ORDER BY t0."code"
LIMIT $1::bigint
