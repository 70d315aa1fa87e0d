-- Open cases whose owner may be called, each with the lead that put it where it stands, the car, the dealer and the coupon.
-- Consent is looked up again here: a case may have been opened before the owner withdrew it.
SELECT
    care.case.case_id,
    care.case.vehicle_id,
    care.case.opened_at,
    standing.priority,
    standing.why,
    standing.tie,
    holder.name AS claimed_by,
    work.not_before,
    work.call_back,
    clock.kind AS clock,
    clock.due_at,
    lead.lead_id,
    lead.source,
    lead.fault_mode,
    lead.severity,
    lead.probability,
    lead.reasons,
    lead.first_seen_at,
    lead.last_seen_at,
    lead.model_version,
    lead.explained_by,
    lead.settled_at,
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
    coupon.yuan_off AS coupon_yuan_off,
    coupon.valid_until AS coupon_valid_until,
    coupon.redeemed_at AS coupon_redeemed_at
FROM care.case_priority AS standing
JOIN care.case USING (case_id)
JOIN care.lead AS lead ON lead.lead_id = (standing.why ->> 'lead_id')::bigint
LEFT JOIN prediction.prediction USING (prediction_id)
JOIN telemetry.vehicle AS car ON car.vehicle_id = care.case.vehicle_id
JOIN pii.vehicle_identity AS identity ON identity.vehicle_id = car.vehicle_id
JOIN pii.owner AS owner USING (owner_id)
LEFT JOIN care.case_work AS work ON work.case_id = care.case.case_id
LEFT JOIN access.account AS holder ON holder.account_id = work.claimed_by AND work.claimed_until > %(now)s
LEFT JOIN LATERAL (
    SELECT kind, due_at FROM care.clock
    WHERE clock.case_id = care.case.case_id AND met_at IS NULL
    ORDER BY due_at
    LIMIT 1
) AS clock ON true
LEFT JOIN LATERAL (
    SELECT * FROM care.offer
    WHERE offer.case_id = care.case.case_id
    -- What is broken first; a courtesy may have been offered before it broke.
    ORDER BY offer.campaign <> %(campaign)s, offer.offer_id DESC
    LIMIT 1
) AS offer ON true
LEFT JOIN care.dealer AS dealer ON dealer.dealer_id = offer.dealer_id
LEFT JOIN care.coupon AS coupon ON coupon.offer_id = offer.offer_id
WHERE care.case.state = 'open'
    AND NOT owner.do_not_call
    AND (SELECT granted FROM pii.consent_now WHERE consent_now.vehicle_id = car.vehicle_id AND purpose = 'care')
    AND {condition}
ORDER BY standing.priority DESC, standing.tie, care.case.case_id
LIMIT %(limit)s;
