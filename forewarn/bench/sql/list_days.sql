-- List a day of every car as rolled up since the daily sums were copied.
INSERT INTO telemetry.day_sums_stale (vehicle_id, day) SELECT vehicle_id, %(day)s FROM telemetry.vehicle;
