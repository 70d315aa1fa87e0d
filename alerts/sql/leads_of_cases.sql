-- The leads of cases, as the ranking needs them.
SELECT case_id, lead_id, source, lead.fault_mode, severity, lead.probability, days_to_lamp
FROM care.lead AS lead
LEFT JOIN prediction.prediction USING (prediction_id)
WHERE case_id = ANY (%(case_ids)s::bigint[]) AND explained_by IS NULL AND settled_at IS NULL
ORDER BY case_id, lead_id;
