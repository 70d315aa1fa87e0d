-- Whose session a token is, if it is not over.
SELECT account.account_id, account.name, account.role, account.dealer_id, session.seen_at
FROM access.session
JOIN access.account USING (account_id)
WHERE session.token_hash = %(token_hash)s
    AND session.revoked_at IS NULL
    AND session.expires_at > %(now)s
    AND session.seen_at > %(idle_since)s
    AND account.locked_at IS NULL;
