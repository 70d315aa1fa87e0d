-- Takes a closed case out of everybody's hands.
UPDATE care.case_work
SET claimed_by = NULL, claimed_until = NULL, not_before = NULL, call_back = false, unanswered = 0
WHERE case_id = %(case_id)s;
