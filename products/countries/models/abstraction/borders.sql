-- One row per country and land neighbour; the join drops withdrawn codes that old rows still name.
SELECT DISTINCT
    c.code AS country_code,
    n.code AS neighbour_code
FROM abstraction.countries AS c
CROSS JOIN LATERAL unnest(string_to_array(c.neighbour_codes, ',')) AS t (code)
INNER JOIN abstraction.countries AS n ON n.code = trim(t.code) AND n.code <> c.code
