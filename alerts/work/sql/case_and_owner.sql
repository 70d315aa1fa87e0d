-- A case with whose car it is, locked: what follows from a call is decided once.
SELECT
    care.case.vehicle_id,
    owner.owner_id,
    owner.time_zone,
    coalesce((SELECT unanswered FROM care.case_work AS work WHERE work.case_id = care.case.case_id), 0) AS unanswered,
    (
        SELECT starts_at FROM care.appointment
        WHERE appointment.case_id = care.case.case_id AND appointment.state = 'booked'
    ) AS starts_at,
    care.case.state = 'open' AS is_open
FROM care.case
JOIN pii.vehicle_identity AS identity ON identity.vehicle_id = care.case.vehicle_id
JOIN pii.owner AS owner USING (owner_id)
WHERE care.case.case_id = %(case_id)s
FOR UPDATE OF "case";
