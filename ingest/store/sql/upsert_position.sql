-- Remembers where a car was last parked; an older report changes nothing.
INSERT INTO pii.position (vehicle_id, parked_at, latitude, longitude)
VALUES (%(vehicle_id)s, %(parked_at)s, %(latitude)s, %(longitude)s)
ON CONFLICT (vehicle_id) DO UPDATE
SET parked_at = excluded.parked_at, latitude = excluded.latitude, longitude = excluded.longitude
WHERE excluded.parked_at > pii.position.parked_at;
