-- Says of readings whose key is there already whether they measured the same.
SELECT new.n, known.signals = new.signals AS same
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (n integer, vehicle_id bigint, ts bigint, seq bigint, signals jsonb)
JOIN telemetry.safety_reading AS known
    ON known.vehicle_id = new.vehicle_id AND known.seq = new.seq
    AND known.ts = 'epoch'::timestamptz + new.ts * interval '1 millisecond';
