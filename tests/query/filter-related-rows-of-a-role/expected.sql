SELECT ARRAY(SELECT ROW(t0."code")
FROM "output"."stations" AS t0
WHERE EXISTS (SELECT 1
FROM "output"."readings" AS t1
WHERE t1."station_code" = t0."code" AND (t1."region" = ANY($1::text[])) AND t1."whole" > $2::bigint)
ORDER BY t0."code"
LIMIT $3::bigint)
, (SELECT count(*)
FROM "output"."stations" AS t2
WHERE NOT EXISTS (SELECT 1
FROM "output"."readings" AS t3
WHERE t3."station_code" = t2."code" AND (t3."region" = ANY($1::text[])) AND (t3."region" = $4::text) IS NOT TRUE))
