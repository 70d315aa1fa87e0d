-- Stops that a person has decided on and nobody has sent yet. The id is the stop's: sent twice it stops once.
SELECT action.request, action.case_id, action.target, action.decided_by, identity.vin
FROM safety.action
JOIN safety.safety_case AS known USING (case_id)
LEFT JOIN pii.vehicle_identity AS identity USING (vehicle_id)
WHERE action.policy = 'ask' AND action.state = 'decided' AND action.attempts = 0 AND action.decided_by <> ''
    AND action.decided_at > now() - interval '10 minutes';
