SELECT ARRAY(SELECT ROW(t0."code")
FROM "output"."countries" AS t0
WHERE t0."name" = $1::text
ORDER BY t0."code"
LIMIT $2::bigint)
, (SELECT count(*)
FROM "output"."countries" AS t1
WHERE t1."name" LIKE $3::text)
