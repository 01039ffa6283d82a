-- What both outputs derive from: one row per country that lies on a known continent.
SELECT
    c.code,
    c.continent_code,
    c.area_km2,
    c.population,
    round((c.population / c.area_km2)::numeric, 2)::double precision AS density,
    cardinality(c.neighbours) AS neighbour_count
FROM input.countries AS c
INNER JOIN input.continents AS k ON k.code = c.continent_code
