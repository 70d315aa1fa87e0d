-- Stores charging signals of cars whose owners agree to safety alone, the first of each key; answers the keys that
-- were new.
WITH sent AS (
    SELECT DISTINCT ON (new.vehicle_id, new.ts, new.seq) *
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
        n integer, vehicle_id bigint, ts bigint, seq bigint, received_ms bigint, quality integer, signals jsonb
    )
    ORDER BY new.vehicle_id, new.ts, new.seq, new.n
)
INSERT INTO telemetry.safety_reading (ts, vehicle_id, seq, received_at, quality, signals)
SELECT 'epoch'::timestamptz + ts * interval '1 millisecond', vehicle_id, seq,
       'epoch'::timestamptz + received_ms * interval '1 millisecond', quality, signals
FROM sent
ON CONFLICT DO NOTHING
RETURNING vehicle_id, (extract(epoch FROM ts) * 1000)::bigint, seq;
