SELECT
    upper(trim(code)) AS code,
    trim(name) AS name
FROM input.{table}_raw
