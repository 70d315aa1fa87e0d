-- The attempt of somebody that has no outcome yet.
SELECT contact_id, case_id FROM care.contact WHERE account_id = %(account_id)s AND disposition IS NULL;
