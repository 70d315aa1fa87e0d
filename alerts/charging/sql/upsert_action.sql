-- Records a stop that was decided on; of one that waited for a person, who decided.
INSERT INTO safety.action AS known (
    action_id, case_id, danger_id, target, policy, decided_at, decided_by, state, state_at, request
)
VALUES (
    %(action_id)s, %(case_id)s, %(danger_id)s, %(target)s, %(policy)s, %(at)s, %(decided_by)s, %(state)s, %(at)s,
    %(request)s
)
ON CONFLICT (action_id) DO UPDATE SET
    decided_at = excluded.decided_at,
    decided_by = excluded.decided_by,
    state = excluded.state,
    state_at = excluded.state_at,
    request = excluded.request
WHERE known.state = 'asked' AND excluded.state = 'decided';
