-- Nobody comes any more about a closed case: its appointment is cancelled, the place free, and no truck sent.
WITH cancelled AS (
    UPDATE care.appointment
    SET state = 'cancelled', ended_at = %(now)s
    WHERE case_id = %(case_id)s AND state = 'booked'
    RETURNING slot_id, appointment_id, way
),
called_off AS (
    UPDATE care.task
    SET done_at = %(now)s, done_by = 'Forewarn', result = 'called off'
    FROM cancelled
    WHERE task.source = cancelled.way || ' of appointment ' || cancelled.appointment_id AND task.done_at IS NULL
)
DELETE FROM care.slot_place AS place
USING cancelled
WHERE place.slot_id = cancelled.slot_id AND place.case_id = %(case_id)s;
