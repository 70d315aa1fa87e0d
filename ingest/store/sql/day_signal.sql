-- One signal of one car as it was measured, for a chart.
SELECT ts, {column}::double precision AS value, at_rest
FROM telemetry.vehicle_reading
WHERE vehicle_id = %(vehicle_id)s AND ts >= %(since)s AND ts < %(until)s AND {column} IS NOT NULL
ORDER BY ts;
