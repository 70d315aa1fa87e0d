-- The owner came.
UPDATE care.appointment
SET state = 'arrived', ended_at = %(now)s
WHERE appointment_id = %(appointment_id)s AND dealer_id = %(dealer_id)s AND state IN ('booked', 'no_show')
RETURNING case_id;
