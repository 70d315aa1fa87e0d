-- The leads of cases, as the ranking needs them.
SELECT case_id, lead_id, source, fault_mode, severity, probability
FROM care.lead
WHERE case_id = ANY (%(case_ids)s::bigint[])
ORDER BY case_id, lead_id;
