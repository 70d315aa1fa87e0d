-- The visits of a dealer's days: what the workshop needs, and not who the owner is beyond a name to greet.
SELECT
    appointment.appointment_id,
    appointment.case_id,
    appointment.starts_at,
    appointment.way,
    appointment.state,
    car.model,
    identity.vin,
    owner.name AS owner_name,
    lead.fault_mode,
    finding.result
FROM care.appointment
JOIN care.case USING (case_id)
JOIN telemetry.vehicle AS car USING (vehicle_id)
JOIN pii.vehicle_identity AS identity USING (vehicle_id)
LEFT JOIN pii.owner AS owner USING (owner_id)
LEFT JOIN care.case_priority AS standing USING (case_id)
LEFT JOIN care.lead AS lead ON lead.lead_id = (standing.why ->> 'lead_id')::bigint
LEFT JOIN LATERAL (
    SELECT result FROM care.finding WHERE finding.case_id = appointment.case_id ORDER BY finding_id DESC LIMIT 1
) AS finding ON true
WHERE appointment.dealer_id = %(dealer_id)s
    AND appointment.starts_at >= %(since)s
    AND appointment.starts_at < %(until)s
    AND appointment.state <> 'cancelled'
ORDER BY appointment.starts_at, appointment.appointment_id;
