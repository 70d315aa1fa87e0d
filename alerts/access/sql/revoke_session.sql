-- Ends a session.
UPDATE access.session SET revoked_at = %(now)s WHERE token_hash = %(token_hash)s AND revoked_at IS NULL;
