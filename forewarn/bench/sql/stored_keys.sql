-- The key of every stored reading, times in epoch ms.
SELECT vehicle_id, (extract(epoch FROM ts) * 1000)::bigint, seq
FROM telemetry.vehicle_reading
