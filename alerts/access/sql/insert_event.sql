-- Adds to the record of who did what.
INSERT INTO audit.event (at, actor_kind, actor, action, case_id, reason, detail)
VALUES (%(at)s, %(actor_kind)s, %(actor)s, %(action)s, %(case_id)s, %(reason)s, %(detail)s);
