-- How many open cases wait, are worked on and rest, and how many promises are late.
SELECT
    count(*) FILTER (WHERE coalesce(work.claimed_until <= %(now)s, true) AND coalesce(work.not_before <= %(now)s, true)) AS ready,
    count(*) FILTER (WHERE work.claimed_until > %(now)s) AS claimed,
    count(*) FILTER (WHERE coalesce(work.claimed_until <= %(now)s, true) AND work.not_before > %(now)s) AS resting,
    (SELECT count(*) FROM care.clock WHERE met_at IS NULL AND due_at <= %(now)s) AS late,
    (SELECT count(*) FROM care.clock WHERE met_at IS NULL AND due_at > %(now)s AND due_at <= %(soon)s) AS soon
FROM care.case
LEFT JOIN care.case_work AS work USING (case_id)
WHERE care.case.state = 'open';
