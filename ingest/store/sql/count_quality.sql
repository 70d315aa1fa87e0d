-- Counts readings and flags of the judged days.
INSERT INTO telemetry.vehicle_quality_day (vehicle_id, day, readings, flagged, by_flag)
SELECT day.vehicle_id, day.day, count(*), count(*) FILTER (WHERE reading.quality <> 0), jsonb_build_object({by_flag})
FROM judged_day AS day
JOIN telemetry.vehicle_reading AS reading
    ON reading.vehicle_id = day.vehicle_id
    AND reading.ts >= day.day::timestamp AT TIME ZONE 'UTC'
    AND reading.ts < (day.day + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY day.vehicle_id, day.day
ON CONFLICT (vehicle_id, day) DO UPDATE
SET readings = excluded.readings, flagged = excluded.flagged, by_flag = excluded.by_flag;
