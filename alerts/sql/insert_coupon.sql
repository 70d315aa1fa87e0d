-- Adds a coupon to an offer unless its code exists already.
INSERT INTO care.coupon (offer_id, code, percent_off, yuan_off, most_yuan, valid_from, valid_until)
VALUES
    (%(offer_id)s, %(code)s, %(percent_off)s, %(yuan_off)s, %(most_yuan)s, %(valid_from)s, %(valid_until)s)
ON CONFLICT (code) DO NOTHING;
