-- Brings the newest values of cars up to date. Values that are all newer than what is known replace it as they are;
-- otherwise each signal keeps its own newest. Rows are locked in the order of vehicle_id, the same in every worker.
INSERT INTO telemetry.vehicle_state AS known (vehicle_id, ts, batch_from, received_at, readings, latest)
SELECT
    new.vehicle_id,
    'epoch'::timestamptz + new.ts_ms * interval '1 millisecond',
    'epoch'::timestamptz + new.oldest_ms * interval '1 millisecond',
    'epoch'::timestamptz + new.received_ms * interval '1 millisecond',
    new.readings,
    new.latest
FROM jsonb_to_recordset(%(states)s::jsonb)
    AS new (vehicle_id bigint, ts_ms bigint, oldest_ms bigint, received_ms bigint, readings bigint, latest jsonb)
ORDER BY new.vehicle_id
ON CONFLICT (vehicle_id) DO UPDATE
SET ts = greatest(known.ts, excluded.ts),
    batch_from = excluded.batch_from,
    received_at = greatest(known.received_at, excluded.received_at),
    readings = known.readings + excluded.readings,
    latest = CASE
        WHEN excluded.batch_from >= known.ts THEN known.latest || excluded.latest
        ELSE telemetry.merge_latest(known.latest, excluded.latest)
    END;
