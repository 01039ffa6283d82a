SELECT code AS station_code, now() AS taken_at, code AS region, 1::smallint AS small, 1 AS whole, 1::bigint AS big,
    1::real AS ratio, 1::float8 AS exact, 1::numeric AS amount, 1::numeric AS free, true AS open, current_date AS day,
    '00:00'::time AS hour, now()::timestamp AS local_time, gen_random_uuid() AS tag, '{}'::json AS raw, '{}'::jsonb AS doc,
    'a'::char(4) AS code, 'a' AS label, 'bad' AS mood, '{}'::text[] AS words, '{}'::integer[] AS numbers,
    '{}'::numeric[] AS amounts, 's' AS secret
FROM input.raw
