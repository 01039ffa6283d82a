SELECT (SELECT ROW(t0."name")
FROM "output"."countries" AS t0
WHERE t0."code" = $1::text)
, (SELECT ROW(t1."name")
FROM "output"."countries" AS t1
WHERE t1."code" = $2::text), ARRAY(SELECT ROW(t2."code")
FROM "output"."countries" AS t2
ORDER BY t2."code"
LIMIT $3::bigint)
