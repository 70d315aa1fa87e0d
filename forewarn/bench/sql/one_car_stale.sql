-- Every day of one car waits for its rollups.
INSERT INTO telemetry.stale_day (vehicle_id, day)
SELECT DISTINCT vehicle_id, (ts AT TIME ZONE 'UTC')::date FROM telemetry.vehicle_reading WHERE vehicle_id = %s
