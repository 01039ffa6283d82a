SELECT t0."name", ARRAY(SELECT ROW(t1."code", t1."name")
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours")
ORDER BY t1."code"
LIMIT $2::bigint), t0."capital"
FROM "output"."countries" AS t0
WHERE t0."code" = $1::text
