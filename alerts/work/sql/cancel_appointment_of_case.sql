-- Nobody comes any more about a closed case: its appointment is cancelled and the place free.
WITH cancelled AS (
    UPDATE care.appointment
    SET state = 'cancelled', ended_at = %(now)s
    WHERE case_id = %(case_id)s AND state = 'booked'
    RETURNING slot_id
)
DELETE FROM care.slot_place AS place
USING cancelled
WHERE place.slot_id = cancelled.slot_id AND place.case_id = %(case_id)s;
