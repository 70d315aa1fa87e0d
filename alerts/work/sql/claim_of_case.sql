-- Who works on a case.
SELECT account.account_id, account.name, work.claimed_until
FROM care.case_work AS work
JOIN access.account ON account.account_id = work.claimed_by
WHERE work.case_id = %(case_id)s AND work.claimed_until > %(now)s;
