-- Opens a session.
INSERT INTO access.session (token_hash, account_id, opened_at, seen_at, expires_at)
VALUES (%(token_hash)s, %(account_id)s, %(now)s, %(now)s, %(expires_at)s);
