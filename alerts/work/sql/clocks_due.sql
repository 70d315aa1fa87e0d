-- The promises that are due first.
SELECT clock.case_id, clock.kind, clock.due_at, holder.name AS holder
FROM care.clock
LEFT JOIN care.case_work AS work ON work.case_id = clock.case_id AND work.claimed_until > %(now)s
LEFT JOIN access.account AS holder ON holder.account_id = work.claimed_by
WHERE met_at IS NULL AND due_at <= %(soon)s
ORDER BY due_at, clock.clock_id
LIMIT %(limit)s;
