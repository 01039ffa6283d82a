SELECT k0.ord, k0.c0, ARRAY(SELECT ROW(t1."name")
FROM "output"."cities" AS t1
WHERE t1."country_code" = k0.c0 AND t1."is_capital" = $2::boolean
ORDER BY t1."name", t1."id"
LIMIT $3::bigint)
, (SELECT count(*)
FROM "output"."cities" AS t1
WHERE t1."country_code" = k0.c0 AND t1."is_capital" = $2::boolean)
FROM unnest($1::text[]) WITH ORDINALITY AS k0(c0, ord)
