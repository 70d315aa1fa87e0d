-- Unlocks an account and forgets its failures.
UPDATE access.account
SET locked_at = NULL, failures = 0, failed_at = NULL, waits_until = NULL
WHERE name = %(name)s
RETURNING account_id;
