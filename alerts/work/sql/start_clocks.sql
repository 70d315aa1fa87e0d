-- Starts a clock of cases in which it does not run.
INSERT INTO care.clock (case_id, kind, began_at, due_at)
SELECT case_id, %(kind)s, %(now)s, %(due_at)s
FROM unnest(%(case_ids)s::bigint[]) AS case_id
ON CONFLICT (case_id, kind) WHERE met_at IS NULL DO NOTHING;
