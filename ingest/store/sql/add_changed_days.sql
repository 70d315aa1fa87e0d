-- Notes which days of which cars got new readings.
INSERT INTO telemetry.changed_day (vehicle_id, day)
SELECT vehicle_id, date '1970-01-01' + day
FROM unnest(%(vehicle_ids)s::bigint[], %(days)s::integer[]) AS changed (vehicle_id, day);
