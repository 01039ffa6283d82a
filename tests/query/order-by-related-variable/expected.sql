SELECT ARRAY(SELECT ROW(t0."code")
FROM "output"."stations" AS t0
LEFT JOIN "output"."stations" AS t1 ON t1."code" = t0."parent_code"
ORDER BY t1."name" DESC NULLS LAST, t0."code"
LIMIT $1::bigint), ARRAY(SELECT ROW(t2."code")
FROM "output"."stations" AS t2
LEFT JOIN "output"."stations" AS t3 ON t3."code" = t2."parent_code"
ORDER BY t3."code", t2."code"
LIMIT $2::bigint)
