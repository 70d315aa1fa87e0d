-- A car whose finding is told has come.
UPDATE care.appointment
SET state = 'arrived', ended_at = %(now)s
WHERE case_id = %(case_id)s AND dealer_id = %(dealer_id)s AND state = 'booked';
