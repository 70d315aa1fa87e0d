-- Open cases whose owner may be called, each with the lead that put it where it stands, the car, the dealer and the coupon.
-- Consent is looked up again here: a case may have been opened before the owner withdrew it.
SELECT
    care.case.case_id,
    care.case.vehicle_id,
    care.case.opened_at,
    standing.priority,
    standing.why,
    lead.lead_id,
    lead.source,
    lead.fault_mode,
    lead.severity,
    lead.probability,
    lead.reasons,
    lead.first_seen_at,
    lead.last_seen_at,
    lead.model_version,
    prediction.as_of,
    prediction.days_to_lamp,
    prediction.days_to_lamp_low,
    prediction.days_to_lamp_high,
    car.model,
    car.powertrain,
    car.chemistry,
    car.cells,
    car.city,
    identity.vin,
    owner.name AS owner_name,
    owner.language AS owner_language,
    owner.time_zone,
    (
        SELECT address FROM pii.contact
        WHERE contact.owner_id = owner.owner_id AND channel = 'phone'
        ORDER BY contact_id
        LIMIT 1
    ) AS phone,
    dealer.dealer_id,
    dealer.name_zh AS dealer_name_zh,
    dealer.name_en AS dealer_name_en,
    dealer.phone AS dealer_phone,
    dealer.capabilities AS dealer_capabilities,
    offer.distance_km,
    offer.campaign,
    coupon.code AS coupon_code,
    coupon.percent_off AS coupon_percent_off,
    coupon.valid_until AS coupon_valid_until,
    coupon.redeemed_at AS coupon_redeemed_at
FROM care.case_priority AS standing
JOIN care.case USING (case_id)
JOIN care.lead AS lead ON lead.lead_id = (standing.why ->> 'lead_id')::bigint
LEFT JOIN prediction.prediction USING (prediction_id)
JOIN telemetry.vehicle AS car ON car.vehicle_id = care.case.vehicle_id
JOIN pii.vehicle_identity AS identity ON identity.vehicle_id = car.vehicle_id
JOIN pii.owner AS owner USING (owner_id)
LEFT JOIN care.offer AS offer ON offer.case_id = care.case.case_id AND offer.campaign = %(campaign)s
LEFT JOIN care.dealer AS dealer USING (dealer_id)
LEFT JOIN care.coupon AS coupon USING (offer_id)
WHERE care.case.state = 'open'
    AND NOT owner.do_not_call
    AND EXISTS (
        SELECT FROM pii.consent_now
        WHERE consent_now.vehicle_id = car.vehicle_id AND purpose = 'care' AND granted
    )
    AND {condition}
ORDER BY standing.priority DESC, care.case.case_id
LIMIT %(limit)s;
