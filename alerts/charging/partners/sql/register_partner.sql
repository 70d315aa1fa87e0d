-- Where an operator that registered serves its versions, and its commands where they are how it is asked to stop.
UPDATE safety.partner
SET ocpi_versions_url = %(versions_url)s,
    stop_by = CASE WHEN stop_by IS NULL AND %(commands_url)s::text IS NOT NULL THEN 'ocpi' ELSE stop_by END,
    stop_url = CASE WHEN coalesce(stop_by, 'ocpi') = 'ocpi' THEN coalesce(%(commands_url)s, stop_url) ELSE stop_url END
WHERE partner_id = %(partner_id)s
