SELECT
    upper(trim(alpha_2)) AS country_code,
    trim(official_name) AS official_name
FROM input.official_names_raw
WHERE nullif(trim(official_name), '') IS NOT NULL
