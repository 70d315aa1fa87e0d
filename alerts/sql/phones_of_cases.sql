-- The telephone numbers of the owners of open cases, of those who may be called.
SELECT DISTINCT ON (care.case.case_id) care.case.case_id, contact.address
FROM care.case
JOIN pii.vehicle_identity AS identity ON identity.vehicle_id = care.case.vehicle_id
JOIN pii.owner AS owner USING (owner_id)
JOIN pii.contact AS contact USING (owner_id)
WHERE care.case.case_id = ANY (%(case_ids)s::bigint[])
    AND care.case.state = 'open'
    AND contact.channel = 'phone'
    AND NOT owner.do_not_call
    AND (SELECT granted FROM pii.consent_now WHERE consent_now.vehicle_id = identity.vehicle_id AND purpose = 'care')
ORDER BY care.case.case_id, contact.contact_id;
