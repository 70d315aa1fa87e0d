-- How many agents there are, and how many open cases do not rest.
SELECT
    (SELECT count(*) FROM access.account WHERE role = 'agent' AND locked_at IS NULL),
    (
        SELECT count(*) FROM care.case LEFT JOIN care.case_work AS work USING (case_id)
        WHERE care.case.state = 'open' AND coalesce(work.not_before <= %(now)s, true)
    );
