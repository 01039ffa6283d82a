-- The source row with proper types: blank is null, codes are upper case, the link is a full address.
SELECT
    upper(trim(code)) AS code,
    trim(name) AS name,
    nullif(trim(latitude), '')::double precision AS latitude,
    nullif(trim(longitude), '')::double precision AS longitude,
    'https://' || nullif(trim(wikipedia), '') AS wikipedia_url,
    nullif(trim(geonameid), '')::bigint AS source_record_id
FROM input.continents_raw
