-- Closes a case and those that were joined to it.
INSERT INTO safety.case_handling AS known (case_id, closed_at, closed_by, outcome)
SELECT case_id, now(), %(by)s, %(outcome)s FROM safety.safety_case
WHERE case_id = %(case_id)s OR joined_to = %(case_id)s
ON CONFLICT (case_id) DO UPDATE SET closed_at = excluded.closed_at, closed_by = excluded.closed_by, outcome = excluded.outcome
WHERE known.closed_at IS NULL
RETURNING case_id;
