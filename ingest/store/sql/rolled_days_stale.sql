-- Every day of every car whose readings were rolled up waits for it again; the first part has a row of each.
INSERT INTO telemetry.stale_day (vehicle_id, day)
SELECT DISTINCT vehicle_id, (bucket AT TIME ZONE 'UTC')::date FROM telemetry.rollup_day_1;
