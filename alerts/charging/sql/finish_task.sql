-- Says that a task is done, once; an owner who was reached by phone has received the message.
WITH done AS (
    UPDATE safety.task SET done_at = now(), done_by = %(by)s, result = %(result)s
    WHERE task_id = %(task_id)s AND done_at IS NULL
    RETURNING task_id, case_id, kind
),
received AS (
    UPDATE safety.delivery SET receipt_at = now(), receipt_by = 'phone: ' || %(by)s
    FROM done
    WHERE delivery.case_id = done.case_id AND done.kind = 'call_owner' AND %(result)s = 'reached'
        AND recipient = 'owner' AND receipt_at IS NULL
)
SELECT case_id FROM done;
