-- Cars to warn of: flagged by the last finished scoring run, or by the newest of each car and mode after a given run, and
-- by the last scorings together, as models/decision.py has it. A workshop that found nothing keeps that car and mode quiet at once.
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
    days_to_lamp, days_to_lamp_low, days_to_lamp_high,
    EXISTS (SELECT FROM prediction.holdout WHERE holdout.prediction_id = newest.prediction_id) AS held_out
FROM newest
CROSS JOIN LATERAL (
    SELECT sum(weight * (ln(chance / (1 - chance)) - ln(cut / (1 - cut)))) AS beyond
    FROM (
        SELECT
            row_number() OVER (ORDER BY as_of DESC) AS nth,
            -- Nothing is certain, and odds of nothing have no logarithm.
            least(greatest(probability::float8, %(least)s), 1 - %(least)s) AS chance,
            least(greatest(newest.threshold::float8, %(least)s), 1 - %(least)s) AS cut
        FROM prediction.prediction AS earlier
        WHERE earlier.vehicle_id = newest.vehicle_id
            AND earlier.fault_mode = newest.fault_mode
            AND earlier.model_version = newest.model_version
            AND earlier.as_of <= newest.as_of
        ORDER BY as_of DESC
        LIMIT cardinality(%(weights)s::float8[])
    ) AS last
    JOIN unnest(%(weights)s::float8[]) WITH ORDINALITY AS weighed (weight, nth) USING (nth)
) AS scorings
WHERE probability >= threshold
    AND scorings.beyond >= 0
    AND NOT EXISTS (
        SELECT
        FROM prediction.label
        WHERE label.vehicle_id = newest.vehicle_id
            AND label.fault_mode = newest.fault_mode
            AND label.source = 'finding'
            AND NOT label.confirmed
            AND label.known_at > newest.as_of - make_interval(days => %(quiet_d)s)
    )
ORDER BY probability DESC, vehicle_id, fault_mode;
