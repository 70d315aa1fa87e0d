-- What was said and what came true, by model and by how probable it was; without a bin, of the model as a whole.
WITH mode AS (
    SELECT fault_mode, make_interval(days => horizon_d) AS horizon
    FROM unnest(%(fault_modes)s::text[], %(horizons_d)s::int[]) AS mode (fault_mode, horizon_d)
),
judged AS (
    SELECT fault_mode, model_version, vehicle_id, probability::float8 AS said,
        width_bucket(probability::float8, %(edges)s::float8[]) AS bin,
        CASE
            WHEN EXISTS (
                SELECT FROM prediction.label
                WHERE label.vehicle_id = prediction.vehicle_id AND label.fault_mode = prediction.fault_mode
                  AND confirmed AND occurred_at >= as_of AND occurred_at < as_of + horizon AND known_at <= %(until)s
            ) THEN 1.0
            WHEN heard_at >= as_of + horizon - interval '7 days' THEN 0.0
        END::float8 AS came
    FROM prediction.prediction
    JOIN mode USING (fault_mode)
    LEFT JOIN telemetry.last_heard USING (vehicle_id)
    WHERE as_of + horizon > %(since)s AND as_of + horizon <= %(until)s
      AND as_of > %(since)s - (SELECT max(horizon) FROM mode) AND as_of <= %(until)s
)
SELECT fault_mode, model_version, bin, count(*) AS n, count(DISTINCT vehicle_id) AS cars,
    avg(said) AS predicted, avg(came) AS observed, avg((said - came) ^ 2) AS brier
FROM judged
WHERE came IS NOT NULL
GROUP BY GROUPING SETS ((fault_mode, model_version, bin), (fault_mode, model_version))
ORDER BY fault_mode, model_version, bin;
