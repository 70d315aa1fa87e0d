-- Days that have been expired in part keep the rollups they have; cars of recordings are never expired.
DELETE FROM rolled_day
WHERE day < %(first)s
  AND NOT EXISTS (SELECT FROM telemetry.vehicle AS v WHERE v.vehicle_id = rolled_day.vehicle_id AND v.replayed);
