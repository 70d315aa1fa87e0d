-- Every account, with the sessions that are not over.
SELECT
    account.name,
    account.role,
    account.dealer_id,
    account.created_at,
    account.locked_at,
    CASE WHEN account.waits_until > %(now)s THEN account.waits_until END AS waits_until,
    max(session.seen_at) AS last_seen_at,
    count(*) FILTER (WHERE session.revoked_at IS NULL AND session.expires_at > %(now)s)::int AS sessions
FROM access.account
LEFT JOIN access.session USING (account_id)
GROUP BY account.account_id
ORDER BY account.name;
