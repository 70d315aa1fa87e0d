-- Takes a case off the list until a time, and out of the hands of one account.
INSERT INTO care.case_work AS work (case_id, not_before, call_back, unanswered)
VALUES (%(case_id)s, %(not_before)s, %(call_back)s, %(unanswered)s)
ON CONFLICT (case_id) DO UPDATE SET
    claimed_by = CASE WHEN work.claimed_by <> %(account_id)s THEN work.claimed_by END,
    claimed_until = CASE WHEN work.claimed_by <> %(account_id)s THEN work.claimed_until END,
    not_before = excluded.not_before,
    call_back = excluded.call_back,
    unanswered = excluded.unanswered;
