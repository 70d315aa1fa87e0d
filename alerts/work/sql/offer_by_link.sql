-- The offer that a link opens.
SELECT
    offer.case_id, offer.offer_id, offer.campaign, coalesce(owner.language, 'zh_CN') AS language, car.model,
    dealer.name_zh AS dealer_name_zh, dealer.name_en AS dealer_name_en, dealer.phone AS dealer_phone,
    dealer.latitude, dealer.longitude, offer.distance_km, dealer.time_zone,
    coupon.code, coupon.percent_off, coupon.yuan_off, coupon.most_yuan, coupon.valid_until, coupon.redeemed_at,
    coupon.driver,
    (
        SELECT starts_at FROM care.appointment
        WHERE appointment.case_id = offer.case_id AND appointment.state = 'booked'
    ) AS visit_at
FROM care.offer
JOIN care.dealer USING (dealer_id)
JOIN care.case USING (case_id)
JOIN telemetry.vehicle AS car USING (vehicle_id)
LEFT JOIN care.coupon USING (offer_id)
LEFT JOIN pii.vehicle_identity AS identity USING (vehicle_id)
LEFT JOIN pii.owner AS owner USING (owner_id)
WHERE offer.link_hash = %(link_hash)s;
