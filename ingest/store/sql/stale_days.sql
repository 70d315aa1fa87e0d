-- The oldest days of cars that wait for their rollups, and whether the car is one of a recording.
SELECT waiting.stale_day_id, waiting.vehicle_id, waiting.day, coalesce(v.replayed, false)
FROM (SELECT * FROM telemetry.stale_day ORDER BY stale_day_id LIMIT %(limit)s) AS waiting
LEFT JOIN telemetry.vehicle AS v USING (vehicle_id);
