SELECT (SELECT count(*)
FROM "output"."countries" AS t0
WHERE t0."name" LIKE $1::text AND ((t0."capital" ILIKE $2::text)))
