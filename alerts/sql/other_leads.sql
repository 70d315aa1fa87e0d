-- The further leads of a case, strongest first.
SELECT
    lead.lead_id,
    lead.source,
    lead.fault_mode,
    lead.severity,
    lead.probability,
    lead.reasons,
    lead.first_seen_at,
    lead.last_seen_at,
    lead.model_version,
    lead.explained_by,
    lead.settled_at,
    prediction.as_of,
    prediction.days_to_lamp,
    prediction.days_to_lamp_low,
    prediction.days_to_lamp_high
FROM care.lead AS lead
LEFT JOIN prediction.prediction USING (prediction_id)
WHERE lead.case_id = %(case_id)s AND lead.lead_id <> %(lead_id)s
ORDER BY lead.settled_at IS NOT NULL, lead.explained_by IS NOT NULL, lead.severity, lead.probability DESC NULLS LAST, lead.lead_id;
