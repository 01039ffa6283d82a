-- materialized: incremental
-- key: id
-- What is known now of each quake: its newest report, and the country that the last words of its place name.
SELECT
    q.quake_id AS id,
    q.happened_at,
    q.magnitude,
    q.magnitude_type,
    q.depth_km,
    q.place,
    coalesce(r.country_code, c.code) AS country_code,
    q.latitude,
    q.longitude,
    q.kind,
    q.status = 'reviewed' AS is_reviewed,
    q.felt_reports,
    q.tsunami,
    q.updated_at
FROM (
    SELECT
        e.*,
        trim(split_part(e.place, ',', -1)) AS region,
        row_number() OVER (PARTITION BY e.quake_id ORDER BY e.updated_at DESC, e.report_id DESC) AS age
    FROM input.quake_reports AS e
) AS q
LEFT JOIN abstraction.regions AS r ON r.name = q.region
LEFT JOIN input.countries AS c ON c.name = q.region
WHERE q.age = 1
