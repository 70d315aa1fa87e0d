-- Records a redemption, or its taking back.
INSERT INTO care.redemption (coupon_id, dealer_id, request_id, action, at, by_whom, bearer, reason)
VALUES (%(coupon_id)s, %(dealer_id)s, %(request_id)s, %(action)s, %(now)s, %(by)s, %(bearer)s, %(reason)s);
