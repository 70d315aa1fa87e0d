-- Readings of one car as they were measured, of what had been received before an instant.
SELECT reading.ts, reading.seq, reading.received_at, reading.quality{columns}
FROM telemetry.vehicle_reading AS reading
{cells}
WHERE reading.vehicle_id = %(vehicle_id)s AND reading.ts >= %(since)s AND reading.ts < %(until)s
  AND (%(received_before)s::timestamptz IS NULL OR reading.received_at < %(received_before)s)
ORDER BY reading.ts, reading.seq;
