-- A coupon by its code.
SELECT
    coupon.coupon_id, offer.case_id, coupon.code, offer.campaign, coupon.issuer, coupon.percent_off, coupon.yuan_off,
    coupon.most_yuan, coupon.driver, coupon.valid_from, coupon.valid_until, coupon.redeemed_at, coupon.redeemed_by,
    car.brand
FROM care.coupon
JOIN care.offer USING (offer_id)
JOIN care.case USING (case_id)
JOIN telemetry.vehicle AS car USING (vehicle_id)
WHERE coupon.code = %(code)s;
