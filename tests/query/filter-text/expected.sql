SELECT (SELECT count(*)
FROM "output"."countries" AS t0
WHERE t0."name" LIKE $1::text)
, (SELECT count(*)
FROM "output"."countries" AS t1
WHERE t1."name" LIKE $3::text), ARRAY(SELECT ROW(t2."name")
FROM "output"."countries" AS t2
WHERE t2."name" ILIKE $5::text
ORDER BY t2."code"
LIMIT $6::bigint), ARRAY(SELECT ROW(t3."code")
FROM "output"."countries" AS t3
WHERE t3."languages" <@ $7::text[]
ORDER BY t3."code"
LIMIT $8::bigint)
