-- Slots of a dealer that have room, earliest first.
SELECT slot_id, day, starts_at, ends_at, capacity - taken.places AS free
FROM care.slot
CROSS JOIN LATERAL (
    SELECT count(*)::int AS places FROM care.slot_place WHERE slot_place.slot_id = slot.slot_id
) AS taken
WHERE dealer_id = %(dealer_id)s
    AND starts_at >= %(since)s
    AND starts_at < %(until)s
    AND capacity > taken.places
ORDER BY starts_at
LIMIT %(limit)s;
