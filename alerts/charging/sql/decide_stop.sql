-- A person says whether a stop that waits for it leaves; the desk hears of it and sends it. The question is answered.
WITH decided AS (
    UPDATE safety.action SET
        state = CASE WHEN %(stop)s THEN 'decided' ELSE 'refused' END,
        decided_by = %(by)s,
        decided_at = now(),
        state_at = now(),
        detail = CASE WHEN %(stop)s THEN '' ELSE 'a person decided not to stop' END
    WHERE action_id = %(action_id)s AND state = 'asked'
    RETURNING action_id, case_id, target
),
answered AS (
    UPDATE safety.task SET done_at = now(), done_by = %(by)s, result = CASE WHEN %(stop)s THEN 'stop' ELSE 'no stop' END
    FROM decided
    WHERE task.case_id = decided.case_id AND task.kind = 'decide_stop' AND task.done_at IS NULL
        AND task.detail LIKE decided.target || '%%'
)
SELECT case_id FROM decided;
