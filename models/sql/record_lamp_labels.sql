-- Records what came true: lamps that came on, each once.
INSERT INTO prediction.label (vehicle_id, fault_mode, occurred_at, known_at, source)
SELECT vehicle_id, fault_mode, occurred_at, known_at, 'lamp'
FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[])
    AS lamp (vehicle_id, fault_mode, occurred_at, known_at)
ON CONFLICT DO NOTHING
