-- Equals are decided by code, so that two runs over the same rows name the same country.
SELECT
    k.code,
    coalesce(m.country_count, 0) AS country_count,
    coalesce(m.population, 0) AS population,
    m.area_km2,
    round((m.population / m.area_km2)::numeric, 2)::double precision AS density,
    m.largest_country_code,
    m.most_populous_country_code,
    cardinality(coalesce(l.languages, '{}'::text[])) AS language_count,
    coalesce(l.languages, '{}'::text[]) AS languages
FROM input.continents AS k
LEFT JOIN (
    SELECT
        continent_code,
        count(code)::integer AS country_count,
        sum(population)::bigint AS population,
        sum(area_km2) AS area_km2,
        (array_agg(code ORDER BY area_km2 DESC NULLS LAST, code))[1] AS largest_country_code,
        (array_agg(code ORDER BY population DESC, code))[1] AS most_populous_country_code
    FROM abstraction.country_measures
    GROUP BY continent_code
) AS m ON m.continent_code = k.code
LEFT JOIN (
    SELECT continent_code, array_agg(language_code ORDER BY language_code) AS languages
    FROM abstraction.continent_languages
    GROUP BY continent_code
) AS l ON l.continent_code = k.code
