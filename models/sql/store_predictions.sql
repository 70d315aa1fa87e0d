-- Stores the predictions of one chunk of cars; scoring a day again replaces its rows.
INSERT INTO prediction.prediction
    (run_id, scored_at, as_of, vehicle_id, fault_mode, probability, threshold, model_version, reasons,
     days_to_lamp, days_to_lamp_low, days_to_lamp_high)
SELECT %s, %s, %s, vehicle_id, fault_mode, probability, threshold, model_version, coalesce(reasons, '[]'), days, low, high
FROM unnest(%s::bigint[], %s::text[], %s::real[], %s::real[], %s::text[], %s::jsonb[], %s::real[], %s::real[], %s::real[])
    AS scored (vehicle_id, fault_mode, probability, threshold, model_version, reasons, days, low, high)
ON CONFLICT (vehicle_id, fault_mode, as_of, model_version) DO UPDATE
SET run_id = excluded.run_id, scored_at = excluded.scored_at, probability = excluded.probability,
    threshold = excluded.threshold, reasons = excluded.reasons, days_to_lamp = excluded.days_to_lamp,
    days_to_lamp_low = excluded.days_to_lamp_low, days_to_lamp_high = excluded.days_to_lamp_high
-- A scoring that took longer than one begun after it has nothing newer to say.
WHERE prediction.run_id <= excluded.run_id;
