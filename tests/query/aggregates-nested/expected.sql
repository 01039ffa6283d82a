SELECT k0.ord, k0.c0
, (SELECT array_agg(s3.r)
FROM (SELECT ROW(t1."name") AS r
FROM "output"."countries" AS t1
WHERE t1."continent_code" = k0.c0 AND t1."area_km2" > $2::float8
ORDER BY t1."code"
LIMIT $3::bigint) AS s3)
, (SELECT ROW(max(t1."area_km2"), count(*))
FROM "output"."countries" AS t1
WHERE t1."continent_code" = k0.c0 AND t1."area_km2" > $2::float8)
, (SELECT array_agg(s2.r)
FROM (SELECT ROW(t1."currency_code", count(*)) AS r
FROM "output"."countries" AS t1
WHERE t1."continent_code" = k0.c0 AND t1."area_km2" > $2::float8
GROUP BY t1."currency_code"
ORDER BY count(*) DESC NULLS LAST, t1."currency_code"
LIMIT $4::bigint) AS s2)
FROM unnest($1::text[]) WITH ORDINALITY AS k0(c0, ord)
