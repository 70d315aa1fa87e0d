-- Moves a stop a step further; a step that is older than where it stands, and one after a confirmation, moves nothing.
WITH step AS (
    INSERT INTO safety.action_step (action_id, at, state, attempt, detail, by)
    VALUES (%(action_id)s, %(at)s, %(state)s, %(attempt)s, %(detail)s, %(by)s)
    ON CONFLICT DO NOTHING
)
UPDATE safety.action
SET state = %(state)s, state_at = %(at)s, attempts = greatest(attempts, %(attempt)s), detail = %(detail)s
WHERE action_id = %(action_id)s AND state_at <= %(at)s AND state <> 'confirmed';
