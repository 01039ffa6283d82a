SELECT ARRAY(SELECT ROW(t0."name", t0."official_name", (coalesce(ts_rank(to_tsvector('simple', t0."name"), websearch_to_tsquery('simple', $1::text)), 0) + coalesce(ts_rank(to_tsvector('simple', t0."official_name"), websearch_to_tsquery('simple', $1::text)), 0) + coalesce(ts_rank(to_tsvector('simple', t0."capital"), websearch_to_tsquery('simple', $1::text)), 0))::float8, t0."code")
FROM "output"."countries" AS t0
WHERE (to_tsvector('simple', t0."name") @@ websearch_to_tsquery('simple', $1::text) OR to_tsvector('simple', t0."official_name") @@ websearch_to_tsquery('simple', $1::text) OR to_tsvector('simple', t0."capital") @@ websearch_to_tsquery('simple', $1::text))
ORDER BY (coalesce(ts_rank(to_tsvector('simple', t0."name"), websearch_to_tsquery('simple', $1::text)), 0) + coalesce(ts_rank(to_tsvector('simple', t0."official_name"), websearch_to_tsquery('simple', $1::text)), 0) + coalesce(ts_rank(to_tsvector('simple', t0."capital"), websearch_to_tsquery('simple', $1::text)), 0))::float8 DESC, t0."code"
LIMIT $2::bigint)
, (SELECT count(*)
FROM "output"."countries" AS t0
WHERE (to_tsvector('simple', t0."name") @@ websearch_to_tsquery('simple', $1::text) OR to_tsvector('simple', t0."official_name") @@ websearch_to_tsquery('simple', $1::text) OR to_tsvector('simple', t0."capital") @@ websearch_to_tsquery('simple', $1::text)))
, (SELECT ROW(max(t0."name"))
FROM "output"."countries" AS t0
WHERE (to_tsvector('simple', t0."name") @@ websearch_to_tsquery('simple', $1::text) OR to_tsvector('simple', t0."official_name") @@ websearch_to_tsquery('simple', $1::text) OR to_tsvector('simple', t0."capital") @@ websearch_to_tsquery('simple', $1::text))), ARRAY(SELECT ROW(t1."name", t1."capital")
FROM "output"."countries" AS t1
WHERE t1."continent_code" = ANY($3::text[]) AND (to_tsvector('simple', t1."name") @@ websearch_to_tsquery('simple', $4::text) OR to_tsvector('simple', t1."official_name") @@ websearch_to_tsquery('simple', $4::text) OR to_tsvector('simple', t1."capital") @@ websearch_to_tsquery('simple', $4::text))
ORDER BY t1."code"
LIMIT $5::bigint)
, (SELECT count(*)
FROM "output"."countries" AS t2
WHERE (to_tsvector('simple', t2."name") @@ websearch_to_tsquery('simple', $6::text) OR to_tsvector('simple', t2."official_name") @@ websearch_to_tsquery('simple', $6::text) OR to_tsvector('simple', t2."capital") @@ websearch_to_tsquery('simple', $6::text)))
, (SELECT count(*)
FROM "output"."countries" AS t3)
