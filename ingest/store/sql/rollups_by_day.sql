-- Daily rollups of cars, as far as they hold what had been received before a day.
SELECT
    vehicle_id,
    bucket AS day,
    received_on::timestamp AT TIME ZONE 'UTC' AS received_on,
    regime,
    n
    {columns}
FROM telemetry.rollup_day
WHERE bucket >= %(since)s AND bucket < %(until)s
  AND (%(received_before)s::date IS NULL OR received_on < %(received_before)s)
  AND (%(vehicle_ids)s::bigint[] IS NULL OR vehicle_id = ANY (%(vehicle_ids)s))
ORDER BY 1, 2, 3, 4;
