SELECT (SELECT count(*)
FROM "output"."countries" AS t0
WHERE t0."name" LIKE $1::text)
, (SELECT count(*)
FROM "output"."countries" AS t1
WHERE t1."name" LIKE $2::text), ARRAY(SELECT ROW(t2."name")
FROM "output"."countries" AS t2
WHERE t2."name" ILIKE $3::text
ORDER BY t2."code"
LIMIT $4::bigint), ARRAY(SELECT ROW(t3."code")
FROM "output"."countries" AS t3
WHERE t3."languages" <@ $5::text[]
ORDER BY t3."code"
LIMIT $6::bigint)
