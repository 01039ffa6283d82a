SELECT ARRAY(SELECT ROW(t0."code"
, (SELECT ROW(t3."name")
FROM "output"."stations" AS t3
WHERE t3."code" = t0."parent_code"
LIMIT 1), t1."name", t2."code", t0."name")
FROM "output"."stations" AS t0
LEFT JOIN "output"."stations" AS t1 ON t1."code" = t0."parent_code"
LEFT JOIN "output"."stations" AS t2 ON t2."code" = t1."parent_code"
ORDER BY t1."name" DESC, t2."code", t0."name", t0."code"
LIMIT $1::bigint)
, (SELECT count(*)
FROM "output"."stations" AS t0)
