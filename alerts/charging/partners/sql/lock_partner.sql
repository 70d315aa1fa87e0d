-- Keeps a partner for the caller alone until its transaction ends: of two registrations at once one waits.
SELECT partner_id FROM safety.partner WHERE partner_id = %(partner_id)s AND revoked_at IS NULL FOR UPDATE
