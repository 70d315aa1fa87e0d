-- Frees the place of a case in a slot.
DELETE FROM care.slot_place WHERE slot_id = %(slot_id)s AND case_id = %(case_id)s;
