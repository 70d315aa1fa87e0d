-- An operator ended its registration: it is not asked by OCPI any more.
UPDATE safety.partner
SET ocpi_versions_url = NULL,
    stop_by = CASE WHEN stop_by = 'ocpi' THEN NULL ELSE stop_by END,
    stop_url = CASE WHEN stop_by = 'ocpi' THEN NULL ELSE stop_url END
WHERE partner_id = %(partner_id)s
