SELECT t0."code"
, (SELECT array_agg(s5.r)
FROM (SELECT ROW(t1."code"
, (SELECT array_agg(s4.r)
FROM (SELECT ROW(t2."code") AS r
FROM "output"."countries" AS t2
WHERE t2."code" = ANY(t1."neighbours") AND EXISTS (SELECT 1
FROM "output"."countries" AS t3
WHERE t3."code" = ANY(t2."neighbours") AND t3."code" = $6::text)
ORDER BY t2."code" DESC
LIMIT $7::bigint) AS s4), t1."area_km2") AS r
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours") AND t1."area_km2" > $3::float8
ORDER BY t1."area_km2" DESC NULLS LAST, t1."code"
LIMIT $4::bigint OFFSET $5::bigint) AS s5)
, (SELECT count(*)
FROM "output"."countries" AS t1
WHERE t1."code" = ANY(t0."neighbours") AND t1."area_km2" > $3::float8)
, (SELECT array_agg(s7.r)
FROM (SELECT ROW(t6."code") AS r
FROM "output"."countries" AS t6
WHERE t6."code" = ANY(t0."neighbours")
ORDER BY t6."area_km2" DESC NULLS LAST, t6."code"
LIMIT $8::bigint) AS s7)
FROM "output"."countries" AS t0
WHERE t0."code" = ANY($1::text[])
ORDER BY t0."code"
LIMIT $2::bigint
