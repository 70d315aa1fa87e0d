-- When a slot of a dealer's book begins.
SELECT starts_at FROM care.slot WHERE slot_id = %(slot_id)s AND dealer_id = %(dealer_id)s;
