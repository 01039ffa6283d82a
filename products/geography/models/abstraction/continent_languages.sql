-- One row per continent and language that some country of it lists.
SELECT DISTINCT
    c.continent_code,
    t.language_code
FROM input.countries AS c
CROSS JOIN LATERAL unnest(c.languages) AS t (language_code)
