-- Notes that a key is in use.
UPDATE access.key SET used_at = %(now)s WHERE secret_hash = %(secret_hash)s;
