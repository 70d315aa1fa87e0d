-- When a worker received the first of the stored readings, in epoch s.
SELECT extract(epoch FROM min(received_at))::float8
FROM telemetry.vehicle_reading
