-- Locks an account until a person unlocks it.
UPDATE access.account SET locked_at = coalesce(locked_at, %(now)s) WHERE name = %(name)s RETURNING account_id;
