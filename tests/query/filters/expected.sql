SELECT t0."code"
FROM "output"."countries" AS t0
WHERE ((t0."code" = ANY($1::text[])) OR (((t0."languages" @> $2::text[]) AND (NOT (starts_with(t0."name", $3::text)))))) AND t0."area_km2" > $4::float8 AND (t0."capital" IS NULL) = $5::boolean
ORDER BY t0."code"
LIMIT $6::bigint
