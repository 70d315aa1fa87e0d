-- Every key, newest first.
SELECT key_id, name, scopes, dealer_id, created_at, expires_at, used_at, revoked_at FROM access.key ORDER BY key_id DESC;
