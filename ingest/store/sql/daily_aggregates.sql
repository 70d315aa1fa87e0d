-- Sums and extremes per car, day of measurement, day of receipt and regime; readings whose clock runs ahead are left out.
SELECT
    vehicle_id,
    date_trunc('day', ts) AS day,
    date_trunc('day', received_at) AS received_on,
    CASE WHEN is_charging THEN 'charge' WHEN at_rest THEN 'rest' ELSE 'drive' END AS regime,
    count(*) AS n
    {aggregates}
FROM telemetry.vehicle_reading
WHERE ts >= %(since)s AND ts < %(until)s
  AND (%(received_before)s::timestamptz IS NULL OR received_at < %(received_before)s)
  AND (%(vehicle_ids)s::bigint[] IS NULL OR vehicle_id = ANY (%(vehicle_ids)s))
  AND quality & 8 = 0
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4;
