SELECT ARRAY(SELECT ROW(k0.ord
, (SELECT ROW(t1."country_count", t1."largest_country_code")
FROM "output"."continent_facts" AS t1
WHERE t1."code" = k0.c0
LIMIT 1))
FROM unnest($1::text[]) WITH ORDINALITY AS k0(c0, ord)), ARRAY(SELECT ROW(k2.ord
, (SELECT ROW(t3."area_rank_world")
FROM "output"."country_facts" AS t3
WHERE t3."code" = k2.c0
LIMIT 1))
FROM unnest($2::text[]) WITH ORDINALITY AS k2(c0, ord))
