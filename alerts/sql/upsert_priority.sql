-- Writes where one case stands.
INSERT INTO care.case_priority (case_id, priority, why, updated_at)
VALUES (%(case_id)s, %(priority)s, %(why)s, %(updated_at)s)
ON CONFLICT (case_id) DO UPDATE SET
    priority = excluded.priority,
    why = excluded.why,
    updated_at = excluded.updated_at;
