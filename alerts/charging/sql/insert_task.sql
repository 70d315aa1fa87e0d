-- Records a task for a person, unless it is there already.
INSERT INTO safety.task (task_id, case_id, kind, created_at, due_at, detail)
VALUES (%(task_id)s, %(case_id)s, %(kind)s, %(at)s, %(due_at)s, %(detail)s)
ON CONFLICT DO NOTHING;
