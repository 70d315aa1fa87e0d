-- Forgets an account's sessions that are long over; the record of sign-ins stays.
DELETE FROM access.session WHERE account_id = %(account_id)s AND expires_at < %(now)s - interval '30 days';
