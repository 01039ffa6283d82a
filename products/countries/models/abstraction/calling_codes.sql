-- One row per country and calling code in E.164 form: '+1-787 and 1-939' becomes +1787 and +1939.
SELECT
    c.code AS country_code,
    '+' || regexp_replace(t.number, '[^0-9]', '', 'g') AS calling_code,
    t.place::integer AS place
FROM abstraction.countries AS c
CROSS JOIN LATERAL unnest(string_to_array(c.phone, ' and ')) WITH ORDINALITY AS t (number, place)
WHERE regexp_replace(t.number, '[^0-9]', '', 'g') <> ''
