-- Lamps that came on or went off, in the order in which they happened.
SELECT vehicle_id, ts, received_at, code, state, level
FROM telemetry.vehicle_event
WHERE kind = 'lamp' AND (%(received_before)s::timestamptz IS NULL OR received_at < %(received_before)s)
ORDER BY ts, event_id;
