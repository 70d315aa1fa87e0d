-- Writes leads; one that is known is refreshed unless it was seen later. Answers for each whether it was new.
INSERT INTO care.lead AS known
    (case_id, source, fault_mode, first_seen_at, last_seen_at, probability, severity, prediction_id, model_version,
     reasons)
SELECT case_id, source, fault_mode, seen_at, seen_at, probability, severity, prediction_id, model_version, reasons
FROM jsonb_to_recordset(%(leads)s) AS lead (
    case_id bigint, source text, fault_mode text, seen_at timestamptz, probability real, severity smallint,
    prediction_id bigint, model_version text, reasons jsonb
)
ON CONFLICT (case_id, source, fault_mode) DO UPDATE SET
    last_seen_at = excluded.last_seen_at,
    probability = excluded.probability,
    severity = excluded.severity,
    prediction_id = excluded.prediction_id,
    model_version = excluded.model_version,
    reasons = excluded.reasons,
    settled_at = NULL
WHERE known.last_seen_at <= excluded.last_seen_at AND (known.settled_at IS NULL OR known.settled_at < excluded.last_seen_at)
-- A row that this statement inserted was never locked or updated by anybody.
RETURNING xmax = 0;
