SELECT ARRAY(SELECT ROW(t0."code", t0."parent_code")
FROM "output"."stations" AS t0
WHERE EXISTS (SELECT 1
FROM "output"."stations" AS t1
WHERE t1."code" = t0."parent_code" AND (t1."name" IS NULL) = $1::boolean AND EXISTS (SELECT 1
FROM "output"."stations" AS t2
WHERE t2."code" = t1."parent_code" AND t2."code" = ANY($2::text[])))
ORDER BY t0."code"
LIMIT $3::bigint), ARRAY(SELECT ROW(t3."code")
FROM "output"."stations" AS t3
WHERE NOT (EXISTS (SELECT 1
FROM "output"."stations" AS t4
WHERE t4."code" = t3."parent_code"))
ORDER BY t3."code"
LIMIT $4::bigint)
, (SELECT count(*)
FROM "output"."readings" AS t5
WHERE EXISTS (SELECT 1
FROM "output"."stations" AS t6
WHERE t6."code" = t5."station_code" AND NOT EXISTS (SELECT 1
FROM "output"."stations" AS t7
WHERE t7."code" = ANY(t6."near"))))
