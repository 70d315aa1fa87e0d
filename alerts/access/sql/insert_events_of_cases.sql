-- Adds an event of each of several cases to the record of who did what.
INSERT INTO audit.event (at, actor_kind, actor, action, case_id, reason)
SELECT %(at)s, %(actor_kind)s, %(actor)s, %(action)s, case_id, %(reason)s
FROM unnest(%(case_ids)s::bigint[]) AS case_id;
