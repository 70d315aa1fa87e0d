-- Lamps that came on within a time, and how many of them a model had flagged before.
SELECT fault_mode, count(*) AS lamps,
    count(*) FILTER (
        WHERE EXISTS (
            SELECT FROM prediction.prediction
            WHERE prediction.vehicle_id = label.vehicle_id AND prediction.fault_mode = label.fault_mode
              AND probability >= threshold
              AND as_of <= occurred_at AND as_of > occurred_at - make_interval(days => horizon_d)
        )
    ) AS foretold
FROM prediction.label
JOIN unnest(%(fault_modes)s::text[], %(horizons_d)s::int[]) AS mode (fault_mode, horizon_d) USING (fault_mode)
WHERE source = 'lamp' AND occurred_at >= %(since)s AND occurred_at < %(until)s
GROUP BY fault_mode
ORDER BY fault_mode;
