-- Makes a key worthless.
UPDATE access.key SET revoked_at = %(now)s WHERE key_id = %(key_id)s AND revoked_at IS NULL;
