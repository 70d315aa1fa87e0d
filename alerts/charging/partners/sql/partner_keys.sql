-- Every key that may still be valid; all of them, ended ones too, for who wants to see them.
SELECT key_id, partner_id, kind, sealed, digest, created_at, expires_at, revoked_at, spent_at
FROM safety.partner_key
WHERE %(ended_too)s OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %(now)s))
ORDER BY key_id
