-- Ends a partner at once.
UPDATE safety.partner SET revoked_at = %(now)s WHERE partner_id = %(partner_id)s AND revoked_at IS NULL
