SELECT id::integer AS id, name, country_code, population::integer AS population, latitude::double precision AS latitude, longitude::double precision AS longitude FROM input.cities_raw
