-- Visits whose time is past and nobody came: the place is history, the case is on the list again.
WITH missed AS (
    UPDATE care.appointment
    SET state = 'no_show', ended_at = %(now)s
    WHERE state = 'booked' AND starts_at < %(before)s
    RETURNING case_id
)
INSERT INTO care.case_work AS work (case_id, not_before)
SELECT case_id, %(now)s FROM missed
ON CONFLICT (case_id) DO UPDATE SET not_before = excluded.not_before, call_back = false
RETURNING case_id;
