-- Takes a redemption back, for the dealer that made it.
UPDATE care.coupon
SET redeemed_at = NULL, redeemed_by = NULL
WHERE coupon_id = %(coupon_id)s AND redeemed_by = %(dealer_id)s
RETURNING coupon_id;
