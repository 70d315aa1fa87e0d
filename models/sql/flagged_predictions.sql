-- Flagged predictions of the last finished scoring run, or the newest of each car and mode after a given run.
WITH chosen AS (
    SELECT run_id
    FROM prediction.run
    WHERE job = 'score' AND outcome = 'done' AND run_id > coalesce(%(since_run)s::bigint, 0)
    ORDER BY run_id DESC
    LIMIT CASE WHEN %(since_run)s::bigint IS NULL THEN 1 END
),
newest AS (
    SELECT DISTINCT ON (vehicle_id, fault_mode) *
    FROM prediction.prediction
    WHERE run_id IN (SELECT run_id FROM chosen)
    ORDER BY vehicle_id, fault_mode, scored_at DESC, prediction_id DESC
)
SELECT prediction_id, run_id, vehicle_id, fault_mode, scored_at, as_of, probability, threshold, model_version, reasons,
    EXISTS (SELECT FROM prediction.holdout WHERE holdout.prediction_id = newest.prediction_id) AS held_out
FROM newest
WHERE probability >= threshold
ORDER BY probability DESC, vehicle_id, fault_mode;
