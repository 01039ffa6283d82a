-- One row per country and language: 'en-NA,af' becomes en and af; a language named twice keeps its first place.
SELECT
    c.code AS country_code,
    split_part(lower(trim(t.tag)), '-', 1) AS language_code,
    min(t.place)::integer AS place
FROM abstraction.countries AS c
CROSS JOIN LATERAL unnest(string_to_array(c.language_tags, ',')) WITH ORDINALITY AS t (tag, place)
WHERE trim(t.tag) <> ''
GROUP BY c.code, split_part(lower(trim(t.tag)), '-', 1)
