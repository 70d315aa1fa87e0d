-- What a request of a dealer did.
SELECT coupon_id, action, at FROM care.redemption WHERE dealer_id = %(dealer_id)s AND request_id = %(request_id)s;
