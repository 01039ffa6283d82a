SELECT ARRAY(SELECT ROW(k0.ord, t1."name", t1."alpha3")
FROM unnest($1::text[]) WITH ORDINALITY AS k0(c0, ord)
JOIN "output"."countries" AS t1 ON t1."code" = k0.c0), ARRAY(SELECT ROW(k2.ord, t3."name", t3."alpha3")
FROM unnest($2::text[]) WITH ORDINALITY AS k2(c0, ord)
JOIN "output"."countries" AS t3 ON t3."alpha3" = k2.c0), ARRAY(SELECT ROW(k4.ord, k4.c0, ARRAY(SELECT ROW(t5."name")
FROM "output"."countries" AS t5
WHERE t5."continent_code" = k4.c0
ORDER BY t5."code"
LIMIT $4::bigint))
FROM unnest($3::text[]) WITH ORDINALITY AS k4(c0, ord))
