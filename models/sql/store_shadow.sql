-- Stores what a challenger says of one chunk of cars; scoring a day again replaces its rows.
INSERT INTO prediction.shadow (run_id, scored_at, as_of, fault_mode, model_version, threshold, vehicle_id, probability)
SELECT %(run_id)s, %(scored_at)s, %(as_of)s, %(fault_mode)s, %(model_version)s, %(threshold)s, vehicle_id, probability
FROM unnest(%(vehicle_ids)s::bigint[], %(probabilities)s::real[]) AS scored (vehicle_id, probability)
ON CONFLICT (vehicle_id, fault_mode, as_of, model_version) DO UPDATE
SET run_id = excluded.run_id, scored_at = excluded.scored_at, probability = excluded.probability,
    threshold = excluded.threshold
-- A scoring that took longer than one begun after it has nothing newer to say.
WHERE shadow.run_id <= excluded.run_id;
