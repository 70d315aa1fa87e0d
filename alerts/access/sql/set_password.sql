-- Gives an account another password; what failed before is forgotten, a lock by a person is not.
UPDATE access.account
SET password_hash = %(password_hash)s, failures = 0, failed_at = NULL, waits_until = NULL
WHERE name = %(name)s
RETURNING account_id;
