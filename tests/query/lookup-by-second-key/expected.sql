SELECT (SELECT ROW(t0."code", t0."name")
FROM "output"."countries" AS t0
WHERE t0."alpha3" = $1::text)
, (SELECT ROW(t1."code", t1."alpha3")
FROM "output"."countries" AS t1
WHERE t1."alpha3" = $2::text)
, (SELECT ROW(t2."alpha3")
FROM "output"."countries" AS t2
WHERE t2."code" = $3::text)
