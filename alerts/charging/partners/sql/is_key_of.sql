-- Whether a token of this digest is a valid one of the partner.
SELECT true
FROM safety.partner_key
WHERE partner_id = %(partner_id)s AND digest = %(digest)s AND revoked_at IS NULL
    AND (expires_at IS NULL OR expires_at > %(now)s)
