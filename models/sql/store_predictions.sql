-- Stores what one model says of one chunk of cars, and of some of them why and when; scoring a day again replaces its
-- rows.
INSERT INTO prediction.prediction
    (run_id, scored_at, as_of, fault_mode, model_version, threshold, vehicle_id, probability, reasons,
     days_to_lamp, days_to_lamp_low, days_to_lamp_high)
SELECT
    %(run_id)s, %(scored_at)s, %(as_of)s, %(fault_mode)s, %(model_version)s, %(threshold)s, vehicle_id, probability,
    coalesce(told.reasons, '[]'), told.days, told.low, told.high
FROM unnest(%(vehicle_ids)s::bigint[], %(probabilities)s::real[]) AS scored (vehicle_id, probability)
LEFT JOIN unnest(%(told)s::bigint[], %(reasons)s::jsonb[], %(days)s::real[], %(low)s::real[], %(high)s::real[])
    AS told (vehicle_id, reasons, days, low, high) USING (vehicle_id)
ON CONFLICT (vehicle_id, fault_mode, as_of, model_version) DO UPDATE
SET run_id = excluded.run_id, scored_at = excluded.scored_at, probability = excluded.probability,
    threshold = excluded.threshold, reasons = excluded.reasons, days_to_lamp = excluded.days_to_lamp,
    days_to_lamp_low = excluded.days_to_lamp_low, days_to_lamp_high = excluded.days_to_lamp_high
-- A scoring that took longer than one begun after it has nothing newer to say.
WHERE prediction.run_id <= excluded.run_id;
