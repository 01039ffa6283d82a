-- Ranks start at 1 for the greatest; equals share a rank. A country of unknown area has no area rank.
SELECT
    code,
    density,
    rank() OVER (ORDER BY population DESC)::integer AS population_rank_world,
    rank() OVER (PARTITION BY continent_code ORDER BY population DESC)::integer AS population_rank_continent,
    CASE WHEN area_km2 IS NOT NULL
        THEN rank() OVER (ORDER BY area_km2 DESC NULLS LAST)::integer
    END AS area_rank_world,
    CASE WHEN area_km2 IS NOT NULL
        THEN rank() OVER (PARTITION BY continent_code ORDER BY area_km2 DESC NULLS LAST)::integer
    END AS area_rank_continent,
    neighbour_count
FROM abstraction.country_measures
