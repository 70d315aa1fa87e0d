-- Leads that another lead of the same case explains.
UPDATE care.lead AS known
SET explained_by = found.explained_by
FROM (
    SELECT lead.lead_id, min(rule.by) AS explained_by
    FROM care.lead AS lead
    LEFT JOIN (
        SELECT cause.case_id, rule.by, rule.of
        FROM unnest(%(by)s::text[], %(of)s::text[]) AS rule (by, of)
        JOIN care.lead AS cause ON cause.fault_mode = rule.by AND cause.settled_at IS NULL
            AND cause.case_id = ANY (%(case_ids)s::bigint[])
    ) AS rule ON rule.case_id = lead.case_id AND rule.of = lead.fault_mode
    WHERE lead.case_id = ANY (%(case_ids)s::bigint[])
    GROUP BY lead.lead_id
) AS found
WHERE known.lead_id = found.lead_id AND known.explained_by IS DISTINCT FROM found.explained_by;
