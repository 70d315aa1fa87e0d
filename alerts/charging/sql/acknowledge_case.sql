-- Says who has a case in hand, and those that were joined to it; the first to say so has it.
INSERT INTO safety.case_handling AS known (case_id, acknowledged_at, acknowledged_by)
SELECT case_id, now(), %(by)s FROM safety.safety_case
WHERE case_id = %(case_id)s OR joined_to = %(case_id)s
ON CONFLICT (case_id) DO UPDATE SET acknowledged_at = excluded.acknowledged_at, acknowledged_by = excluded.acknowledged_by
WHERE known.acknowledged_at IS NULL
RETURNING case_id;
