-- The first days on which cars were flagged whose horizon ended within a time, and what came of each.
WITH mode AS (
    SELECT fault_mode, make_interval(days => horizon_d) AS horizon
    FROM unnest(%(fault_modes)s::text[], %(horizons_d)s::int[]) AS mode (fault_mode, horizon_d)
),
first AS (
    SELECT prediction_id, vehicle_id, fault_mode, model_version, as_of, as_of + horizon AS until
    FROM prediction.prediction AS flagged
    JOIN mode USING (fault_mode)
    WHERE probability >= threshold AND as_of + horizon > %(since)s AND as_of + horizon <= %(until)s
      AND as_of > %(since)s - (SELECT max(horizon) FROM mode)
      AND NOT EXISTS (
          SELECT FROM prediction.prediction AS earlier
          WHERE earlier.vehicle_id = flagged.vehicle_id AND earlier.fault_mode = flagged.fault_mode
            AND earlier.as_of < flagged.as_of AND earlier.as_of >= flagged.as_of - interval '28 days'
            AND earlier.probability >= earlier.threshold
      )
)
SELECT fault_mode, model_version, first.vehicle_id, as_of, lamp_at,
    EXISTS (SELECT FROM prediction.holdout WHERE holdout.prediction_id = first.prediction_id) AS held_out,
    CASE WHEN came_at IS NOT NULL THEN 1.0 WHEN heard_at >= until - interval '7 days' THEN 0.0 END::float8 AS came
FROM first
LEFT JOIN telemetry.last_heard USING (vehicle_id)
CROSS JOIN LATERAL (
    SELECT min(occurred_at) AS came_at, min(occurred_at) FILTER (WHERE source = 'lamp') AS lamp_at
    FROM prediction.label
    WHERE label.vehicle_id = first.vehicle_id AND label.fault_mode = first.fault_mode AND confirmed
      AND occurred_at >= as_of AND occurred_at < first.until AND known_at <= %(until)s
) AS label
ORDER BY fault_mode, model_version, as_of, vehicle_id;
