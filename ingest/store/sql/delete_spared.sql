-- Deletes rows of a span of time, all but those of cars of recordings.
DELETE FROM {table} AS expired
WHERE (%(since)s::timestamptz IS NULL OR {at} >= %(since)s) AND {at} < %(until)s
  AND NOT EXISTS (SELECT FROM telemetry.vehicle AS v WHERE v.vehicle_id = expired.vehicle_id AND v.replayed);
