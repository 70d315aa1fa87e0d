-- The car of an open case, and where a dealer is.
SELECT care.case.vehicle_id, dealer.latitude, dealer.longitude
FROM care.case
CROSS JOIN care.dealer
WHERE care.case.case_id = %(case_id)s AND care.case.state = 'open' AND dealer.dealer_id = %(dealer_id)s;
