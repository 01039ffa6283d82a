SELECT ARRAY(SELECT ROW(k0.ord, t1."name")
FROM unnest($1::text[]) WITH ORDINALITY AS k0(c0, ord)
JOIN "output"."countries" AS t1 ON t1."code" = k0.c0), ARRAY(SELECT ROW(k2.ord
, (SELECT count(*)
FROM "output"."countries" AS t3
WHERE t3."continent_code" = k2.c0))
FROM unnest($2::text[]) WITH ORDINALITY AS k2(c0, ord))
