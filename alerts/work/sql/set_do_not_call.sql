-- An owner asked to be left alone.
UPDATE pii.owner SET do_not_call = true WHERE owner_id = %(owner_id)s;
