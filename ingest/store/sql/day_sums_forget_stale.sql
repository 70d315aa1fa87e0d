-- Delete what was copied of days that changed.
DELETE FROM telemetry.day_sums AS copied USING stale_sums AS stale
WHERE copied.vehicle_id = stale.vehicle_id AND (stale.day IS NULL OR copied.day = stale.day);
