-- Gives the offer that a case shows a link; answers the owner's language and the dealer.
UPDATE care.offer AS known
SET link_hash = %(link_hash)s
FROM care.dealer, care.case
LEFT JOIN pii.vehicle_identity AS identity USING (vehicle_id)
LEFT JOIN pii.owner AS owner USING (owner_id)
WHERE known.offer_id = (
        SELECT offer_id FROM care.offer
        WHERE offer.case_id = %(case_id)s
        ORDER BY offer.campaign <> 'fault_care', offer_id DESC
        LIMIT 1
    )
    AND dealer.dealer_id = known.dealer_id
    AND care.case.case_id = known.case_id
    AND care.case.state = 'open'
RETURNING coalesce(owner.language, 'zh_CN'), dealer.name_zh, dealer.name_en;
