SELECT t0."name"
FROM "output"."countries" AS t0
WHERE (to_tsvector('simple', t0."name") @@ websearch_to_tsquery('simple', $1::text) OR to_tsvector('simple', t0."capital") @@ websearch_to_tsquery('simple', $1::text))
ORDER BY t0."code"
LIMIT $2::bigint
