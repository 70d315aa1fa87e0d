-- Takes one open case unless somebody else has it; answers whether it was anew.
WITH mine AS (
    SELECT care.case.case_id, work.claimed_by IS DISTINCT FROM %(account_id)s OR work.claimed_until <= %(now)s AS anew
    FROM care.case
    LEFT JOIN care.case_work AS work USING (case_id)
    WHERE care.case.case_id = %(case_id)s AND care.case.state = 'open'
    FOR UPDATE OF "case"
)
INSERT INTO care.case_work AS work (case_id, claimed_by, claimed_until)
SELECT case_id, %(account_id)s, %(until)s FROM mine
ON CONFLICT (case_id) DO UPDATE SET claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until
WHERE work.claimed_by IS NULL OR work.claimed_by = excluded.claimed_by OR work.claimed_until <= %(now)s
RETURNING (SELECT coalesce(anew, true) FROM mine);
