SELECT ARRAY(SELECT ROW(t0."code"
, (SELECT ROW(count(*), max(t1."whole"))
FROM "output"."readings" AS t1
WHERE t1."station_code" = t0."code" AND (t1."region" = ANY($1::text[]))), ARRAY(SELECT ROW(t1."region", count(*))
FROM "output"."readings" AS t1
WHERE t1."station_code" = t0."code" AND (t1."region" = ANY($1::text[]))
GROUP BY t1."region"
ORDER BY t1."region"
LIMIT $2::bigint))
FROM "output"."stations" AS t0
ORDER BY t0."code"
LIMIT $3::bigint), ARRAY(SELECT ROW(t2."region", count(*))
FROM "output"."readings" AS t2
WHERE (t2."region" = ANY($1::text[]))
GROUP BY t2."region"
ORDER BY t2."region"
LIMIT $4::bigint)
