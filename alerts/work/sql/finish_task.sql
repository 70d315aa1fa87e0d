-- Notes that a task is done.
UPDATE care.task
SET done_at = %(now)s, done_by = %(by)s, result = %(result)s
WHERE task_id = %(task_id)s
    AND done_at IS NULL
    AND (%(dealer_id)s::text IS NULL OR dealer_id = %(dealer_id)s)
RETURNING case_id, kind;
