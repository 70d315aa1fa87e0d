-- The figures of the last finished measurement of drift before a time.
SELECT run_id, as_of, fault_mode, model_version, kind, subject, value, worst, n, detail
FROM prediction.drift
WHERE run_id = (
    SELECT run_id
    FROM prediction.run
    WHERE job = 'drift' AND outcome = 'done' AND (%(before)s::timestamptz IS NULL OR started_at < %(before)s)
    ORDER BY run_id DESC
    LIMIT 1
)
ORDER BY fault_mode, model_version, kind, value DESC, subject;
