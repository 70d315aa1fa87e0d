-- Whether a slot has a free place.
SELECT capacity > (SELECT count(*) FROM care.slot_place WHERE slot_place.slot_id = slot.slot_id)
FROM care.slot
WHERE slot_id = %(slot_id)s;
