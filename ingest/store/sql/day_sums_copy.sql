-- Copy daily rollups of the days asked for, or those of listed cars and days.
INSERT INTO telemetry.day_sums (vehicle_id, day, received_on, regime, sums)
SELECT
    rollup.vehicle_id,
    (rollup.bucket AT TIME ZONE 'UTC')::date,
    rollup.received_on,
    array_position(%(regimes)s::text[], rollup.regime) - 1,
    {sums}
FROM telemetry.rollup_day AS rollup
{among}
WHERE rollup.bucket >= %(since)s::timestamp AT TIME ZONE 'UTC'
  AND rollup.bucket < %(until)s::timestamp AT TIME ZONE 'UTC';
