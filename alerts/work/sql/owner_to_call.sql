-- The owner of an open case who may be called, and how often they were lately.
SELECT
    owner.owner_id,
    owner.time_zone,
    (SELECT count(*) FROM care.contact WHERE contact.owner_id = owner.owner_id AND began_at > %(since)s) AS attempts
FROM care.case
JOIN pii.vehicle_identity AS identity ON identity.vehicle_id = care.case.vehicle_id
JOIN pii.owner AS owner USING (owner_id)
WHERE care.case.case_id = %(case_id)s
    AND care.case.state = 'open'
    AND NOT owner.do_not_call
    AND (SELECT granted FROM pii.consent_now WHERE consent_now.vehicle_id = identity.vehicle_id AND purpose = 'care');
