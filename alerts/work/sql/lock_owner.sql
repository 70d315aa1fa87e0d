-- Locks the owner of a case: calls about several cars of one owner are counted one after the other.
SELECT owner.owner_id
FROM care.case
JOIN pii.vehicle_identity AS identity USING (vehicle_id)
JOIN pii.owner AS owner USING (owner_id)
WHERE care.case.case_id = %(case_id)s
FOR NO KEY UPDATE OF owner;
