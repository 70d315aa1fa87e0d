-- Redeems a coupon that is good, at an admitted dealer of the car's brand; of any number at once one succeeds.
UPDATE care.coupon
SET redeemed_at = %(now)s, redeemed_by = %(dealer_id)s
WHERE coupon_id = %(coupon_id)s
    AND redeemed_at IS NULL
    AND valid_from <= %(now)s
    AND valid_until > %(now)s
    AND EXISTS (
        SELECT
        FROM care.offer
        JOIN care.case USING (case_id)
        JOIN telemetry.vehicle AS car USING (vehicle_id)
        JOIN care.dealer AS taker ON taker.dealer_id = %(dealer_id)s
        WHERE offer.offer_id = coupon.offer_id AND taker.admitted AND taker.brand = car.brand
    )
RETURNING coupon_id;
