SELECT t0."code"
FROM "output"."countries" AS t0
WHERE (t0."code") > ($1::text)
ORDER BY t0."code"
LIMIT $2::bigint
