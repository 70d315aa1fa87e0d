-- Stores the predictions of one chunk of cars; scoring a day again replaces its rows.
INSERT INTO prediction.prediction
    (run_id, scored_at, as_of, vehicle_id, fault_mode, probability, threshold, model_version, reasons)
SELECT %s, %s, %s, vehicle_id, fault_mode, probability, threshold, model_version, coalesce(reasons, '[]')
FROM unnest(%s::bigint[], %s::text[], %s::real[], %s::real[], %s::text[], %s::jsonb[])
    AS scored (vehicle_id, fault_mode, probability, threshold, model_version, reasons)
ON CONFLICT (vehicle_id, fault_mode, as_of, model_version) DO UPDATE
SET run_id = excluded.run_id, scored_at = excluded.scored_at, probability = excluded.probability,
    threshold = excluded.threshold, reasons = excluded.reasons;
