SELECT (SELECT array_agg(ROW(k0.ord))
FROM unnest($1::text[]) WITH ORDINALITY AS k0(c0, ord)
JOIN "output"."countries" AS t1 ON t1."code" = k0.c0)
, (SELECT array_agg(ROW(k2.ord, k2.c0
, (SELECT array_agg(s4.r)
FROM (SELECT ROW(t3."name", t3."capital") AS r
FROM "output"."countries" AS t3
WHERE t3."continent_code" = k2.c0
ORDER BY t3."area_km2" DESC NULLS LAST, t3."code"
LIMIT $3::bigint) AS s4)))
FROM unnest($2::text[]) WITH ORDINALITY AS k2(c0, ord))
