-- Who may carry a coupon besides the owner, as long as it is not redeemed.
UPDATE care.coupon SET driver = %(driver)s WHERE offer_id = %(offer_id)s AND redeemed_at IS NULL;
