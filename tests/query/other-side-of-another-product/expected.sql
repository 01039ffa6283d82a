SELECT k0.ord, k0.c0
, (SELECT array_agg(s2.r)
FROM (SELECT ROW(t1."name") AS r
FROM "output"."cities" AS t1
WHERE t1."country_code" = k0.c0 AND t1."is_capital" = $2::boolean
ORDER BY t1."name", t1."id"
LIMIT $3::bigint) AS s2)
, (SELECT count(*)
FROM "output"."cities" AS t1
WHERE t1."country_code" = k0.c0 AND t1."is_capital" = $2::boolean)
FROM unnest($1::text[]) WITH ORDINALITY AS k0(c0, ord)
