-- Notes that a session is in use.
UPDATE access.session SET seen_at = %(now)s
WHERE token_hash = %(token_hash)s AND seen_at < %(now)s AND revoked_at IS NULL;
