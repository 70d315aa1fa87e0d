-- Visits that are near and were not reminded of, each once; the time is the dealer's.
UPDATE care.appointment AS visit
SET reminded_at = %(now)s
FROM care.dealer, care.case, pii.vehicle_identity AS identity, pii.owner AS owner
WHERE visit.state = 'booked'
    AND visit.reminded_at IS NULL
    AND visit.starts_at > %(now)s
    AND visit.starts_at <= %(until)s
    AND dealer.dealer_id = visit.dealer_id
    AND care.case.case_id = visit.case_id
    AND identity.vehicle_id = care.case.vehicle_id
    AND owner.owner_id = identity.owner_id
RETURNING visit.case_id, owner.language, dealer.name_zh, dealer.name_en,
    to_char(visit.starts_at AT TIME ZONE dealer.time_zone, 'YYYY-MM-DD HH24:MI');
