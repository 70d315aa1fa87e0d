-- Locks a case that is open.
SELECT case_id FROM care.case WHERE case_id = %(case_id)s AND state = 'open' FOR UPDATE;
