-- The offers that cases carry already.
SELECT offer.case_id, offer.campaign, offer.offer_id, offer.dealer_id, coupon.redeemed_at IS NOT NULL AS redeemed
FROM care.offer AS offer
LEFT JOIN care.coupon AS coupon USING (offer_id)
WHERE offer.case_id = ANY (%(case_ids)s::bigint[]);
