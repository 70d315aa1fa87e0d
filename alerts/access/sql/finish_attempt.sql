-- The password was right: forgets the failures, unless the account was locked or its password changed meanwhile.
UPDATE access.account
SET failures = 0, failed_at = NULL, waits_until = NULL, password_hash = %(password_hash)s
WHERE account_id = %(account_id)s AND locked_at IS NULL AND password_hash = %(kept)s
RETURNING name;
