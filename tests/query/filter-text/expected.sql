SELECT (SELECT count(*)
FROM "output"."countries" AS t0
WHERE t0."name" LIKE $1::text)
, (SELECT count(*)
FROM "output"."countries" AS t2
WHERE t2."name" LIKE $2::text)
, (SELECT array_agg(s5.r)
FROM (SELECT ROW(t4."name") AS r
FROM "output"."countries" AS t4
WHERE t4."name" ILIKE $3::text
ORDER BY t4."code"
LIMIT $4::bigint) AS s5)
, (SELECT array_agg(s7.r)
FROM (SELECT ROW(t6."code") AS r
FROM "output"."countries" AS t6
WHERE t6."languages" <@ $5::text[]
ORDER BY t6."code"
LIMIT $6::bigint) AS s7)
