SELECT t0."code", ARRAY(SELECT ROW(t1."region")
FROM "output"."readings" AS t1
WHERE t1."station_code" = t0."code" AND (to_tsvector('english', t1."region") @@ websearch_to_tsquery('english', $2::text) OR to_tsvector('english', t1."label") @@ websearch_to_tsquery('english', $2::text))
ORDER BY (coalesce(ts_rank(to_tsvector('english', t1."region"), websearch_to_tsquery('english', $2::text)), 0) + coalesce(ts_rank(to_tsvector('english', t1."label"), websearch_to_tsquery('english', $2::text)), 0))::float8, t1."station_code", t1."taken_at"
LIMIT $3::bigint)
, (SELECT count(*)
FROM "output"."readings" AS t1
WHERE t1."station_code" = t0."code" AND (to_tsvector('english', t1."region") @@ websearch_to_tsquery('english', $2::text) OR to_tsvector('english', t1."label") @@ websearch_to_tsquery('english', $2::text)))
FROM "output"."stations" AS t0
ORDER BY t0."code"
LIMIT $1::bigint
