SELECT ARRAY(SELECT ROW(CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('month', t0."taken_at", 'UTC') ELSE t0."taken_at" END, t0."region", count(*))
FROM "output"."readings" AS t0
GROUP BY CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('month', t0."taken_at", 'UTC') ELSE t0."taken_at" END, t0."region"
ORDER BY CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('month', t0."taken_at", 'UTC') ELSE t0."taken_at" END, t0."region"
LIMIT $1::bigint), ARRAY(SELECT ROW(CASE WHEN t0."day" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('year', t0."day"::timestamp)::date ELSE t0."day" END, count(*))
FROM "output"."readings" AS t0
GROUP BY CASE WHEN t0."day" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('year', t0."day"::timestamp)::date ELSE t0."day" END
ORDER BY CASE WHEN t0."day" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('year', t0."day"::timestamp)::date ELSE t0."day" END DESC, CASE WHEN t0."day" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('year', t0."day"::timestamp)::date ELSE t0."day" END
LIMIT $2::bigint), ARRAY(SELECT ROW(CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('week', t0."taken_at", 'UTC') ELSE t0."taken_at" END, count(*))
FROM "output"."readings" AS t0
GROUP BY CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('week', t0."taken_at", 'UTC') ELSE t0."taken_at" END
ORDER BY CASE WHEN t0."taken_at" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('week', t0."taken_at", 'UTC') ELSE t0."taken_at" END
LIMIT $3::bigint), ARRAY(SELECT ROW(CASE WHEN t0."local_time" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('quarter', t0."local_time") ELSE t0."local_time" END)
FROM "output"."readings" AS t0
GROUP BY CASE WHEN t0."local_time" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('quarter', t0."local_time") ELSE t0."local_time" END
ORDER BY CASE WHEN t0."local_time" BETWEEN '4712-01-01 BC' AND '294276-12-31' THEN date_trunc('quarter', t0."local_time") ELSE t0."local_time" END
LIMIT $4::bigint)
