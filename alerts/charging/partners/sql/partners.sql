-- Every partner with the operators it speaks for.
SELECT partner.partner_id, partner.name, partner.stations, partner.policy, partner.stop_by, partner.stop_url,
    partner.created_at, partner.revoked_at, partner.ocpi_versions_url,
    coalesce((
        SELECT array_agg(operator.operator ORDER BY operator.operator)
        FROM safety.partner_operator AS operator
        WHERE operator.partner_id = partner.partner_id
    ), '{}') AS operators
FROM safety.partner AS partner
ORDER BY partner.partner_id
