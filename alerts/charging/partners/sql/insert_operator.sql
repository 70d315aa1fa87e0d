-- The partner that speaks for an operator, which is the one before where there was one.
WITH added AS (
    INSERT INTO safety.partner_operator (operator, partner_id) VALUES (%(operator)s, %(partner_id)s)
    ON CONFLICT (operator) DO NOTHING
    RETURNING partner_id
)
SELECT partner_id FROM added
UNION ALL
SELECT partner_id FROM safety.partner_operator WHERE operator = %(operator)s
