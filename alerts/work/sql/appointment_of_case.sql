-- The newest visit of a case that was not cancelled.
SELECT
    appointment_id, case_id, dealer_id, slot_id, starts_at, way, state,
    dealer.name_zh AS dealer_name_zh, dealer.name_en AS dealer_name_en, dealer.phone AS dealer_phone, dealer.time_zone
FROM care.appointment
JOIN care.dealer USING (dealer_id)
WHERE case_id = %(case_id)s AND state <> 'cancelled'
ORDER BY appointment_id DESC
LIMIT 1;
