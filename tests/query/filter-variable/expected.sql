SELECT t0."code", t0."capital"
FROM "output"."countries" AS t0
WHERE t0."continent_code" = ANY($1::text[]) AND t0."name" ILIKE $2::text
ORDER BY t0."name" DESC, t0."code"
LIMIT $3::bigint
