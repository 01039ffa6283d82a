SELECT
    code,
    name,
    latitude,
    longitude,
    wikipedia_url,
    source_record_id
FROM abstraction.continents
