-- Sends the owner to another dealer with the same coupon.
UPDATE care.offer
SET dealer_id = %(dealer_id)s, distance_km = %(distance_km)s, offered_at = %(offered_at)s
WHERE offer_id = %(offer_id)s;
