-- Gives an open case to another agent.
INSERT INTO care.case_work AS work (case_id, claimed_by, claimed_until)
SELECT care.case.case_id, account.account_id, %(until)s
FROM care.case
CROSS JOIN access.account
WHERE care.case.case_id = %(case_id)s
    AND care.case.state = 'open'
    AND account.name = %(to)s
    AND account.role IN ('agent', 'supervisor')
    AND account.locked_at IS NULL
ON CONFLICT (case_id) DO UPDATE SET claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until;
