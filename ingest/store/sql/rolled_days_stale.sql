-- Every day of every car that has rollups waits for them again.
INSERT INTO telemetry.stale_day (vehicle_id, day)
SELECT DISTINCT vehicle_id, (bucket AT TIME ZONE 'UTC')::date FROM telemetry.rollup_day;
