-- A key by its hash, if it is good.
SELECT key_id, scopes, dealer_id, used_at
FROM access.key
WHERE secret_hash = %(secret_hash)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %(now)s);
