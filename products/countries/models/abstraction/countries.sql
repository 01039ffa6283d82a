-- One typed row per current country: blank is null, codes are upper case, numbers are numbers.
-- AN and CS are left out because ISO 3166-1 withdrew them (2010 and 2006) and their parts are rows of their own.
SELECT
    upper(trim(iso)) AS code,
    upper(trim(iso3)) AS alpha3,
    lpad(nullif(nullif(trim(isonumeric), ''), '0'), 3, '0') AS numeric_code,
    trim(name) AS name,
    upper(trim(continentcode)) AS continent_code,
    nullif(trim(capital), '') AS capital,
    -- The source rounds to whole square kilometres, so its 0 says "unknown or smaller than that".
    nullif(nullif(trim(areakm2), '')::double precision, 0) AS area_km2,
    nullif(trim(population), '')::bigint AS population,
    nullif(upper(trim(currencycode)), '') AS currency_code,
    nullif(trim(currencyname), '') AS currency_name,
    nullif(trim(languages), '') AS language_tags,
    nullif(upper(trim(neighbours)), '') AS neighbour_codes,
    nullif(trim(phone), '') AS phone,
    nullif(lower(trim(tld)), '') AS tld,
    nullif(trim(geonameid), '')::bigint AS source_record_id
FROM input.countries_raw
WHERE upper(trim(iso)) NOT IN ('AN', 'CS')
