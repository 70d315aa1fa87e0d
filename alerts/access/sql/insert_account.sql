-- Adds an account unless its name is taken.
INSERT INTO access.account (name, role, dealer_id, password_hash, created_at)
VALUES (%(name)s, %(role)s, %(dealer_id)s, %(password_hash)s, %(now)s)
ON CONFLICT (name) DO NOTHING;
