SELECT k0.ord, t1."name"
FROM unnest($1::text[]) WITH ORDINALITY AS k0(c0, ord)
JOIN "output"."countries" AS t1 ON t1."code" = k0.c0
