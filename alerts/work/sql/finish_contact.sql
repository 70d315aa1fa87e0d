-- Writes down what came of an attempt.
UPDATE care.contact
SET ended_at = %(now)s, disposition = %(disposition)s, note = %(note)s, call_back_at = %(call_back_at)s
WHERE account_id = %(account_id)s AND case_id = %(case_id)s AND disposition IS NULL;
