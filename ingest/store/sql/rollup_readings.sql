-- Readings summed up per car, bucket of time, day of receipt and regime; those whose clock runs ahead are left out.
SELECT
    reading.vehicle_id AS vehicle_id,
    {bucket} AS bucket,
    (reading.received_at AT TIME ZONE 'UTC')::date AS received_on,
    CASE WHEN is_charging THEN 'charge' WHEN at_rest THEN 'rest' ELSE 'drive' END AS regime{columns}
FROM telemetry.vehicle_reading AS reading {among}
WHERE quality & 8 = 0
GROUP BY 1, 2, 3, 4
