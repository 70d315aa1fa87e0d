-- Days of cars that wait for their rollups, and whether they may be refreshed: a refresh makes every car's rows of the
-- day anew, so not where readings of that day have been expired and only rollups are left.
SELECT waiting.stale_day_id, waiting.vehicle_id, waiting.day,
    %(keep_from)s::date IS NULL
    OR waiting.day >= %(keep_from)s
    OR (
        v.replayed AND NOT EXISTS (
            SELECT FROM telemetry.rollup_day AS rolled JOIN telemetry.vehicle AS other USING (vehicle_id)
            WHERE rolled.bucket = waiting.day::timestamp AT TIME ZONE 'UTC' AND NOT other.replayed
        )
    ) AS may
FROM (SELECT * FROM telemetry.stale_day ORDER BY stale_day_id LIMIT %(limit)s) AS waiting
LEFT JOIN telemetry.vehicle AS v USING (vehicle_id);
