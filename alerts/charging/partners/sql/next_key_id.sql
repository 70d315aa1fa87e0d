-- The number of the next key: what is sealed is bound to it.
SELECT nextval(pg_get_serial_sequence('safety.partner_key', 'key_id'))
