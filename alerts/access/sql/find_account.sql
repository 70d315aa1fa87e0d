-- The number of an account.
SELECT account_id FROM access.account WHERE name = %(name)s;
