-- No further channel: a person sees to it.
UPDATE care.message SET next_at = NULL, given_up_at = %(now)s WHERE message_id = %(message_id)s;
