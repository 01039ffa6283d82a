SELECT code, name, continent_code, nullif(capital, '') AS capital, nullif(area, '')::double precision AS area, population::integer AS population FROM input.countries_raw
