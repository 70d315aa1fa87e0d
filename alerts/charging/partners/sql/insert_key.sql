-- One key more.
INSERT INTO safety.partner_key (key_id, partner_id, kind, sealed, digest, created_at, expires_at)
OVERRIDING SYSTEM VALUE
VALUES (%(key_id)s, %(partner_id)s, %(kind)s, %(sealed)s, %(digest)s, %(now)s, %(expires_at)s)
