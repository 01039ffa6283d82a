SELECT (SELECT array_agg(s1.r)
FROM (SELECT ROW(t0."name") AS r
FROM "output"."countries" AS t0
ORDER BY t0."area_km2", t0."code"
LIMIT $1::bigint) AS s1)
, (SELECT array_agg(s3.r)
FROM (SELECT ROW(t2."name") AS r
FROM "output"."countries" AS t2
ORDER BY t2."area_km2" DESC NULLS LAST, t2."code"
LIMIT $2::bigint) AS s3)
, (SELECT ROW((SELECT array_agg(s6.r)
FROM (SELECT ROW(t5."name") AS r
FROM "output"."countries" AS t5
WHERE t5."code" = ANY(t4."neighbours") AND t5."code" = ANY($4::text[])
ORDER BY t5."code"
LIMIT $5::bigint) AS s6)
, (SELECT array_agg(s8.r)
FROM (SELECT ROW(t7."name") AS r
FROM "output"."countries" AS t7
WHERE t7."code" = ANY(t4."neighbours") AND NOT (t7."code" = ANY($4::text[]))
ORDER BY t7."code"
LIMIT $6::bigint) AS s8)
, (SELECT count(*)
FROM "output"."countries" AS t7
WHERE t7."code" = ANY(t4."neighbours") AND NOT (t7."code" = ANY($4::text[]))))
FROM "output"."countries" AS t4
WHERE t4."code" = $3::text)
