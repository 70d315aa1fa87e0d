-- Locks the open cases of cars, in the order in which everybody locks them.
SELECT vehicle_id, case_id
FROM care.case
WHERE vehicle_id = ANY (%(vehicle_ids)s::bigint[]) AND state = 'open'
ORDER BY vehicle_id
FOR UPDATE;
