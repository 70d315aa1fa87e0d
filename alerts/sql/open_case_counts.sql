-- How many open cases whose owner may be called there are, by what is expected to fail and by city.
SELECT lead.fault_mode, lead.severity, car.city, count(*),
    count(*) FILTER (WHERE EXISTS (SELECT FROM care.offer WHERE offer.case_id = care.case.case_id))
FROM care.case_priority AS standing
JOIN care.case USING (case_id)
JOIN care.lead AS lead ON lead.lead_id = (standing.why ->> 'lead_id')::bigint
JOIN telemetry.vehicle AS car ON car.vehicle_id = care.case.vehicle_id
JOIN pii.vehicle_identity AS identity ON identity.vehicle_id = car.vehicle_id
JOIN pii.owner AS owner USING (owner_id)
WHERE care.case.state = 'open'
    AND NOT owner.do_not_call
    AND (SELECT granted FROM pii.consent_now WHERE consent_now.vehicle_id = car.vehicle_id AND purpose = 'care')
GROUP BY lead.fault_mode, lead.severity, car.city;
