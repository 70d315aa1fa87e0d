-- The language of the owner of a case.
SELECT owner.language
FROM care.case
JOIN pii.vehicle_identity AS identity USING (vehicle_id)
JOIN pii.owner AS owner USING (owner_id)
WHERE care.case.case_id = %(case_id)s;
