-- Stores charging signals of a car whose owner agrees to safety alone.
INSERT INTO telemetry.safety_reading (ts, vehicle_id, seq, received_at, signals)
SELECT 'epoch'::timestamptz + new.ts * interval '1 millisecond', %(vehicle_id)s, new.seq, %(received_at)s, new.signals
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (ts bigint, seq bigint, signals jsonb)
ON CONFLICT DO NOTHING;
