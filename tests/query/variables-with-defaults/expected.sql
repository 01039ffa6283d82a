SELECT (SELECT array_agg(s2.r)
FROM (SELECT ROW(t0."name") AS r
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text
ORDER BY t0."name" DESC, t0."code"
LIMIT $2::bigint) AS s2)
, (SELECT array_agg(s1.r)
FROM (SELECT ROW(t0."currency_code", count(*)) AS r
FROM "output"."countries" AS t0
WHERE t0."continent_code" = $1::text
GROUP BY t0."currency_code"
ORDER BY t0."currency_code"
LIMIT $3::bigint) AS s1)
, (SELECT ROW(t3."name")
FROM "output"."countries" AS t3
WHERE t3."code" = $4::text)
