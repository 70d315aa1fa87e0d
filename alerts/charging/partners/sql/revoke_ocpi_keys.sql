-- Ends what an operator and we know each other by in OCPI.
UPDATE safety.partner_key
SET revoked_at = %(now)s
WHERE partner_id = %(partner_id)s AND kind IN ('ocpi', 'ocpi_out', 'ocpi_register') AND revoked_at IS NULL
