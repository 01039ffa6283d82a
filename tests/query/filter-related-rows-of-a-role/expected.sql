SELECT (SELECT array_agg(s2.r)
FROM (SELECT ROW(t0."code") AS r
FROM "output"."stations" AS t0
WHERE EXISTS (SELECT 1
FROM "output"."readings" AS t1
WHERE t1."station_code" = t0."code" AND (t1."region" = ANY($1::text[])) AND t1."whole" > $2::bigint)
ORDER BY t0."code"
LIMIT $3::bigint) AS s2)
, (SELECT count(*)
FROM "output"."stations" AS t3
WHERE NOT EXISTS (SELECT 1
FROM "output"."readings" AS t4
WHERE t4."station_code" = t3."code" AND (t4."region" = ANY($1::text[])) AND (t4."region" = $4::text) IS NOT TRUE))
