SELECT ARRAY(SELECT ROW(t0."continent_code", t0."currency_code", count(*))
FROM "output"."countries" AS t0
GROUP BY t0."currency_code", t0."continent_code"
HAVING count(DISTINCT t0."name") < $1::bigint AND ((starts_with(min(t0."name"), $2::text)) OR (count(*) = ANY($3::bigint[])))
ORDER BY count(*) DESC NULLS LAST, t0."currency_code", t0."continent_code"
LIMIT $4::bigint)
