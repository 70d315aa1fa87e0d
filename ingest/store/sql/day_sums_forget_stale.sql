-- Delete what was copied of days that changed. Both ends of the days always, so that the index finds them.
DELETE FROM telemetry.day_sums AS copied USING stale_sums AS stale
WHERE copied.vehicle_id = stale.vehicle_id
  AND copied.day BETWEEN coalesce(stale.day, '-infinity') AND coalesce(stale.day, 'infinity');
