SELECT ARRAY(SELECT ROW(t0."station_code", t0."region")
FROM "output"."readings" AS t0
LEFT JOIN "output"."stations" AS t1 ON t1."code" = t0."station_code"
WHERE (t0."region" = ANY($1::text[]))
ORDER BY t1."name" DESC NULLS LAST, t0."station_code", t0."taken_at"
LIMIT $2::bigint)
, (SELECT count(*)
FROM "output"."readings" AS t0
WHERE (t0."region" = ANY($1::text[])))
