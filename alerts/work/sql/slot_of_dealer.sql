-- When a slot of an admitted dealer's book begins.
SELECT slot.starts_at
FROM care.slot
JOIN care.dealer USING (dealer_id)
WHERE slot.slot_id = %(slot_id)s AND dealer_id = %(dealer_id)s AND dealer.admitted;
