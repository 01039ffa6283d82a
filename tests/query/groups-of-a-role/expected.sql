SELECT (SELECT array_agg(s4.r)
FROM (SELECT ROW(t0."code"
, (SELECT ROW(count(*), max(t1."whole"))
FROM "output"."readings" AS t1
WHERE t1."station_code" = t0."code" AND (t1."region" = ANY($1::text[])))
, (SELECT array_agg(s2.r)
FROM (SELECT ROW(t1."region", count(*)) AS r
FROM "output"."readings" AS t1
WHERE t1."station_code" = t0."code" AND (t1."region" = ANY($1::text[]))
GROUP BY t1."region"
ORDER BY t1."region"
LIMIT $2::bigint) AS s2)) AS r
FROM "output"."stations" AS t0
ORDER BY t0."code"
LIMIT $3::bigint) AS s4)
, (SELECT array_agg(s6.r)
FROM (SELECT ROW(t5."region", count(*)) AS r
FROM "output"."readings" AS t5
WHERE (t5."region" = ANY($1::text[]))
GROUP BY t5."region"
ORDER BY t5."region"
LIMIT $4::bigint) AS s6)
