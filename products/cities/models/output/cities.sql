-- One typed row per place: blank is null, codes are upper case, numbers are numbers.
-- The source writes 0 for a population that it does not know: nobody calls an empty place a city.
SELECT
    trim(geonameid)::bigint AS id,
    trim(name) AS name,
    upper(trim(country)) AS country_code,
    upper(trim(feature)) AS place_kind,
    upper(trim(feature)) = 'PPLC' AS is_capital,
    nullif(trim(admin1), '') AS admin1_code,
    nullif(trim(admin2), '') AS admin2_code,
    nullif(trim(population)::bigint, 0) AS population,
    trim(latitude)::double precision AS latitude,
    trim(longitude)::double precision AS longitude
FROM input.cities_raw
