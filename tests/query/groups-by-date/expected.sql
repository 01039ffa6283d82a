SELECT (SELECT array_agg(s1.r)
FROM (SELECT ROW(CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('month', t0."taken_at", 'UTC') ELSE t0."taken_at" END, t0."region", count(*)) AS r
FROM "output"."readings" AS t0
GROUP BY CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('month', t0."taken_at", 'UTC') ELSE t0."taken_at" END, t0."region"
ORDER BY CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('month', t0."taken_at", 'UTC') ELSE t0."taken_at" END, t0."region"
LIMIT $1::bigint) AS s1)
, (SELECT array_agg(s2.r)
FROM (SELECT ROW(CASE WHEN t0."day" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('year', t0."day"::timestamp)::date ELSE t0."day" END, count(*)) AS r
FROM "output"."readings" AS t0
GROUP BY CASE WHEN t0."day" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('year', t0."day"::timestamp)::date ELSE t0."day" END
ORDER BY CASE WHEN t0."day" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('year', t0."day"::timestamp)::date ELSE t0."day" END DESC, CASE WHEN t0."day" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('year', t0."day"::timestamp)::date ELSE t0."day" END
LIMIT $2::bigint) AS s2)
, (SELECT array_agg(s3.r)
FROM (SELECT ROW(CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('week', t0."taken_at", 'UTC') ELSE t0."taken_at" END, count(*)) AS r
FROM "output"."readings" AS t0
GROUP BY CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('week', t0."taken_at", 'UTC') ELSE t0."taken_at" END
ORDER BY CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('week', t0."taken_at", 'UTC') ELSE t0."taken_at" END
LIMIT $3::bigint) AS s3)
, (SELECT array_agg(s4.r)
FROM (SELECT ROW(CASE WHEN t0."local_time" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('quarter', t0."local_time") ELSE t0."local_time" END) AS r
FROM "output"."readings" AS t0
GROUP BY CASE WHEN t0."local_time" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('quarter', t0."local_time") ELSE t0."local_time" END
ORDER BY CASE WHEN t0."local_time" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('quarter', t0."local_time") ELSE t0."local_time" END
LIMIT $4::bigint) AS s4)
