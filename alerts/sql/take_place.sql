-- Takes the lowest place of a slot that is free; answers nothing when somebody else was quicker or none is free.
INSERT INTO care.slot_place (slot_id, place, capacity, case_id, taken_at)
SELECT slot.slot_id, place, slot.capacity, %(case_id)s, %(now)s
FROM care.slot
CROSS JOIN generate_series(1, slot.capacity) AS place
WHERE slot.slot_id = %(slot_id)s
    AND NOT EXISTS (
        SELECT FROM care.slot_place AS taken WHERE taken.slot_id = slot.slot_id AND taken.place = place.place
    )
ORDER BY place
LIMIT 1
ON CONFLICT DO NOTHING
RETURNING place;
