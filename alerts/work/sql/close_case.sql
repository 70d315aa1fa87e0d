-- Closes an open case.
UPDATE care.case
SET state = 'closed', closed_at = %(now)s, outcome = %(outcome)s, closed_by = %(by)s
WHERE case_id = %(case_id)s AND state = 'open';
