SELECT
    c.code,
    c.alpha3,
    c.numeric_code,
    c.name,
    o.official_name,
    c.continent_code,
    c.capital,
    c.area_km2,
    c.population,
    c.currency_code,
    c.currency_name,
    coalesce(l.languages, '{}'::text[]) AS languages,
    coalesce(b.neighbours, '{}'::text[]) AS neighbours,
    coalesce(p.calling_codes, '{}'::text[]) AS calling_codes,
    c.tld,
    c.source_record_id
FROM abstraction.countries AS c
LEFT JOIN abstraction.official_names AS o ON o.country_code = c.code
LEFT JOIN (
    SELECT country_code, array_agg(language_code ORDER BY place) AS languages
    FROM abstraction.languages
    GROUP BY country_code
) AS l ON l.country_code = c.code
LEFT JOIN (
    SELECT country_code, array_agg(neighbour_code ORDER BY neighbour_code) AS neighbours
    FROM abstraction.borders
    GROUP BY country_code
) AS b ON b.country_code = c.code
LEFT JOIN (
    SELECT country_code, array_agg(calling_code ORDER BY place) AS calling_codes
    FROM abstraction.calling_codes
    GROUP BY country_code
) AS p ON p.country_code = c.code
