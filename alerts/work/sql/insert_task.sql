-- Adds a task unless there is one of the same source.
INSERT INTO care.task (kind, case_id, vehicle_id, dealer_id, text, made_at, due_at, source)
VALUES (%(kind)s, %(case_id)s, %(vehicle_id)s, %(dealer_id)s, %(text)s, %(now)s, %(due_at)s, %(source)s)
ON CONFLICT (source) DO NOTHING
RETURNING task_id;
