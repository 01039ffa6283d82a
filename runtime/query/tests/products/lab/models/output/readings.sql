SELECT code, now(), code, 1::smallint, 1, 1::bigint, 1::real, 1::float8, 1::numeric, 1::numeric, true, current_date,
    '00:00'::time, now()::timestamp, gen_random_uuid(), '{}'::json, '{}'::jsonb, 'a'::char(4), 'a', 'bad', '{}'::text[],
    '{}'::integer[], '{}'::numeric[], 's'
FROM input.raw
