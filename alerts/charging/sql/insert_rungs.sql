-- Lays the escalation ladder of a case; of one that got worse, brings forward what is not done yet.
INSERT INTO safety.rung AS known (case_id, step, round, due_at)
SELECT %(case_id)s, step, 0, due_at
FROM unnest(%(steps)s::text[], %(due_ats)s::timestamptz[]) AS wanted (step, due_at)
ON CONFLICT (case_id, step, round) DO UPDATE SET due_at = least(known.due_at, excluded.due_at)
WHERE known.done_at IS NULL;
