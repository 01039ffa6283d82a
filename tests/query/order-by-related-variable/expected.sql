SELECT (SELECT array_agg(s2.r)
FROM (SELECT ROW(t0."code") AS r
FROM "output"."stations" AS t0
LEFT JOIN "output"."stations" AS t1 ON t1."code" = t0."parent_code"
ORDER BY t1."name" DESC NULLS LAST, t0."code"
LIMIT $1::bigint) AS s2)
, (SELECT array_agg(s5.r)
FROM (SELECT ROW(t3."code") AS r
FROM "output"."stations" AS t3
LEFT JOIN "output"."stations" AS t4 ON t4."code" = t3."parent_code"
ORDER BY t4."code", t3."code"
LIMIT $2::bigint) AS s5)
