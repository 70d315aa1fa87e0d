-- One day of every car waits for its rollups.
INSERT INTO telemetry.stale_day (vehicle_id, day) SELECT vehicle_id, %s FROM telemetry.vehicle
