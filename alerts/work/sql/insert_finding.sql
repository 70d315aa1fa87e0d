-- Writes down what a workshop found.
INSERT INTO care.finding
    (case_id, dealer_id, result, fault_mode, parts, odometer_km, note, found_at, reported_at, reported_by, request_id)
VALUES
    (%(case_id)s, %(dealer_id)s, %(result)s, %(fault_mode)s, %(parts)s, %(odometer_km)s, %(note)s, %(now)s, %(now)s,
     %(by)s, %(request_id)s)
RETURNING finding_id;
