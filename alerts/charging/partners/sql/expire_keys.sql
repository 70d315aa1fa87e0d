-- A rotation: older keys of a kind go on for a while, none longer than it would have.
UPDATE safety.partner_key
SET expires_at = least(expires_at, %(expires_at)s)
WHERE partner_id = %(partner_id)s AND kind = %(kind)s AND key_id < %(before)s AND revoked_at IS NULL
