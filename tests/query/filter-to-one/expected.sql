SELECT (SELECT array_agg(s3.r)
FROM (SELECT ROW(t0."code", t0."parent_code") AS r
FROM "output"."stations" AS t0
WHERE EXISTS (SELECT 1
FROM "output"."stations" AS t1
WHERE t1."code" = t0."parent_code" AND (t1."name" IS NULL) = $1::boolean AND EXISTS (SELECT 1
FROM "output"."stations" AS t2
WHERE t2."code" = t1."parent_code" AND t2."code" = ANY($2::text[])))
ORDER BY t0."code"
LIMIT $3::bigint) AS s3)
, (SELECT array_agg(s6.r)
FROM (SELECT ROW(t4."code") AS r
FROM "output"."stations" AS t4
WHERE NOT (EXISTS (SELECT 1
FROM "output"."stations" AS t5
WHERE t5."code" = t4."parent_code"))
ORDER BY t4."code"
LIMIT $4::bigint) AS s6)
, (SELECT count(*)
FROM "output"."readings" AS t7
WHERE EXISTS (SELECT 1
FROM "output"."stations" AS t8
WHERE t8."code" = t7."station_code" AND NOT EXISTS (SELECT 1
FROM "output"."stations" AS t9
WHERE t9."code" = ANY(t8."near"))))
