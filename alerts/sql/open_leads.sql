-- What predictions the open cases of some cars are about.
SELECT vehicle_id, fault_mode
FROM care.case
JOIN care.lead USING (case_id)
WHERE state = 'open' AND source = 'prediction' AND settled_at IS NULL AND vehicle_id = ANY (%(vehicle_ids)s);
