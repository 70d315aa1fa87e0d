-- What a workshop found, as models learn it.
INSERT INTO prediction.label (vehicle_id, fault_mode, occurred_at, known_at, source, confirmed)
VALUES (%(vehicle_id)s, %(fault_mode)s, %(now)s, %(now)s, 'finding', %(confirmed)s)
ON CONFLICT (vehicle_id, fault_mode, occurred_at, source) DO NOTHING;
