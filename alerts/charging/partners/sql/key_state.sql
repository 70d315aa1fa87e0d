-- What became of a key meanwhile; no row when it has ended.
SELECT spent_at
FROM safety.partner_key
WHERE key_id = %(key_id)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %(now)s)
