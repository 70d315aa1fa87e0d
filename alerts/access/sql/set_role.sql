-- Gives an account another role.
UPDATE access.account SET role = %(role)s, dealer_id = %(dealer_id)s WHERE name = %(name)s RETURNING account_id;
