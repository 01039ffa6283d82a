SELECT k0.ord, k0.c0, ARRAY(SELECT ROW(t1."name")
FROM "output"."countries" AS t1
WHERE t1."continent_code" = k0.c0 AND t1."area_km2" > $2::float8
ORDER BY t1."code"
LIMIT $3::bigint)
, (SELECT ROW(max(t1."area_km2"), count(*))
FROM "output"."countries" AS t1
WHERE t1."continent_code" = k0.c0 AND t1."area_km2" > $2::float8), ARRAY(SELECT ROW(t1."currency_code", count(*))
FROM "output"."countries" AS t1
WHERE t1."continent_code" = k0.c0 AND t1."area_km2" > $2::float8
GROUP BY t1."currency_code"
ORDER BY count(*) DESC NULLS LAST, t1."currency_code"
LIMIT $4::bigint)
FROM unnest($1::text[]) WITH ORDINALITY AS k0(c0, ord)
