-- Keeps a new key by its hash.
INSERT INTO access.key (name, secret_hash, scopes, dealer_id, created_at, expires_at)
VALUES (%(name)s, %(secret_hash)s, %(scopes)s, %(dealer_id)s, %(now)s, %(expires_at)s)
RETURNING key_id;
