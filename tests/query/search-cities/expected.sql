SELECT ARRAY(SELECT ROW(t0."name", t0."population")
FROM "output"."cities" AS t0
WHERE t0."country_code" = $1::text AND (to_tsvector('simple', t0."name") @@ websearch_to_tsquery('simple', $2::text))
ORDER BY (coalesce(ts_rank(to_tsvector('simple', t0."name"), websearch_to_tsquery('simple', $2::text)), 0))::float8 DESC, t0."population" DESC NULLS LAST, t0."id"
LIMIT $3::bigint)
, (SELECT count(*)
FROM "output"."cities" AS t0
WHERE t0."country_code" = $1::text AND (to_tsvector('simple', t0."name") @@ websearch_to_tsquery('simple', $2::text)))
, (SELECT ROW(max(t0."population"))
FROM "output"."cities" AS t0
WHERE t0."country_code" = $1::text AND (to_tsvector('simple', t0."name") @@ websearch_to_tsquery('simple', $2::text)))
