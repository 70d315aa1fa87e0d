-- Counts a try to sign in as failed before anybody looks at the password, unless the account has to wait or is locked.
-- The row's lock makes guesses at the same moment count one after the other.
UPDATE access.account
SET failures = tried.failures,
    failed_at = %(now)s,
    waits_until = %(now)s + make_interval(
        secs => (%(waits_s)s::int[])[least(tried.failures, cardinality(%(waits_s)s::int[]))]
    )
FROM (
    SELECT account_id, CASE WHEN failed_at >= %(forgotten_before)s THEN failures ELSE 0 END + 1 AS failures
    FROM access.account
    WHERE name = %(name)s AND locked_at IS NULL AND (waits_until IS NULL OR waits_until <= %(now)s)
    FOR UPDATE
) AS tried
WHERE account.account_id = tried.account_id
RETURNING account.account_id, account.password_hash, account.failures;
