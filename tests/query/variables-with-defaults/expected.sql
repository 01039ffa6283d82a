SELECT ARRAY(SELECT ROW(t0."name")
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text
ORDER BY t0."name" DESC, t0."code"
LIMIT $2::bigint), ARRAY(SELECT ROW(t0."currency_code", count(*))
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text
GROUP BY t0."currency_code"
ORDER BY t0."currency_code"
LIMIT $3::bigint)
, (SELECT ROW(t1."name")
FROM "output"."countries" AS t1
WHERE t1."code" = $4::text)
