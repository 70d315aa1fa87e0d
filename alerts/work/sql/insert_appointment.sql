-- Books a visit.
INSERT INTO care.appointment (case_id, dealer_id, slot_id, starts_at, way, booked_at, booked_by)
VALUES (%(case_id)s, %(dealer_id)s, %(slot_id)s, %(starts_at)s, %(way)s, %(now)s, %(by)s)
RETURNING appointment_id, (SELECT vehicle_id FROM care.case WHERE case_id = %(case_id)s);
