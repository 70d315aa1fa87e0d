-- Take what waits to be copied again, for this transaction; of a car that waits as a whole not its days as well.
WITH taken AS (DELETE FROM telemetry.day_sums_stale RETURNING vehicle_id, day)
INSERT INTO stale_sums
SELECT DISTINCT vehicle_id, day FROM taken
WHERE day IS NULL OR vehicle_id NOT IN (SELECT vehicle_id FROM taken WHERE day IS NULL);
