-- The car was looked after.
INSERT INTO care.visit (vehicle_id, visited_at, odometer_km, dealer_id)
VALUES (%(vehicle_id)s, %(now)s, %(odometer_km)s, %(dealer_id)s)
ON CONFLICT (vehicle_id, visited_at) DO NOTHING;
