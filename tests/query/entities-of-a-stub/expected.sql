SELECT k0.ord, k0.c0, ARRAY(SELECT ROW(t1."name", t1."capital")
FROM "output"."countries" AS t1
WHERE t1."continent_code" = k0.c0
ORDER BY t1."area_km2" DESC NULLS LAST, t1."code"
LIMIT $2::bigint)
FROM unnest($1::text[]) WITH ORDINALITY AS k0(c0, ord)
