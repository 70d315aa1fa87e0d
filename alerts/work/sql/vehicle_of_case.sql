-- The car of an open case.
SELECT vehicle_id FROM care.case WHERE case_id = %(case_id)s AND state = 'open';
