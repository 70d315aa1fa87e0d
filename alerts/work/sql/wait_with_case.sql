-- Takes a case off the list until a time, and out of hands.
INSERT INTO care.case_work (case_id, not_before, call_back, unanswered)
VALUES (%(case_id)s, %(not_before)s, %(call_back)s, %(unanswered)s)
ON CONFLICT (case_id) DO UPDATE SET
    claimed_by = NULL,
    claimed_until = NULL,
    not_before = excluded.not_before,
    call_back = excluded.call_back,
    unanswered = excluded.unanswered;
