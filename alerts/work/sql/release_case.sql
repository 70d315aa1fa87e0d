-- Gives a case back.
UPDATE care.case_work
SET claimed_by = NULL, claimed_until = NULL
WHERE case_id = %(case_id)s AND claimed_by = %(account_id)s AND claimed_until > %(now)s;
