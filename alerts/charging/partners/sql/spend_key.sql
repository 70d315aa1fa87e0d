-- A token that is good once was used: until then it answers the same request again.
UPDATE safety.partner_key
SET spent_at = %(now)s, expires_at = least(expires_at, %(expires_at)s)
WHERE key_id = %(key_id)s AND spent_at IS NULL
