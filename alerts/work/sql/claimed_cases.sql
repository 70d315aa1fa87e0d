-- The open cases that somebody has in hand.
SELECT case_id
FROM care.case_work
JOIN care.case USING (case_id)
WHERE claimed_by = %(account_id)s AND claimed_until > %(now)s AND state = 'open'
ORDER BY case_id;
