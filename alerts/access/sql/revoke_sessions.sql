-- Ends every session of an account.
UPDATE access.session SET revoked_at = %(now)s
WHERE account_id = %(account_id)s AND revoked_at IS NULL AND expires_at > %(now)s;
