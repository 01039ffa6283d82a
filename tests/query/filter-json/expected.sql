SELECT (SELECT count(*)
FROM "output"."readings" AS t0
WHERE t0."doc" ? $1::text AND t0."raw"::jsonb ? $2::text AND t0."raw"::jsonb @> $3::text::jsonb)
, (SELECT count(*)
FROM "output"."readings" AS t1
WHERE t1."code"::text LIKE $4::text)
