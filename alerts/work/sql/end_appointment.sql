-- Cancels the booked visit of a case.
UPDATE care.appointment
SET state = 'cancelled', ended_at = %(now)s
WHERE case_id = %(case_id)s AND state = 'booked'
RETURNING slot_id, appointment_id, way;
