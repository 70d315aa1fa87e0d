-- Lets another partner speak for the operators of one that was ended.
DELETE FROM safety.partner_operator WHERE partner_id = %(partner_id)s
