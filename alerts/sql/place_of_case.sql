-- The place a case has in a slot.
SELECT place FROM care.slot_place WHERE slot_id = %(slot_id)s AND case_id = %(case_id)s;
