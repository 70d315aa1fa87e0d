-- What workshops found in a time about predictions, by fault mode or by version of the model: how often it was that.
-- Lead time is from the first sign that opened the case to the finding, of those that were confirmed.
SELECT
    "group",
    count(*) AS findings,
    count(*) FILTER (WHERE confirmed) AS confirmed,
    (percentile_cont(0.5) WITHIN GROUP (ORDER BY lead_d) FILTER (WHERE confirmed))::float8 AS lead_d
FROM (
    SELECT
        CASE %(by)s WHEN 'mode' THEN lead.fault_mode ELSE lead.fault_mode || ' ' || coalesce(lead.model_version, '') END
            AS "group",
        finding.fault_mode IS NOT DISTINCT FROM lead.fault_mode AS confirmed,
        extract(epoch FROM finding.found_at - lead.first_seen_at) / 86400 AS lead_d
    FROM care.finding
    JOIN care.lead USING (case_id)
    WHERE finding.found_at >= %(since)s
        AND finding.found_at < %(until)s
        AND lead.source = 'prediction'
        AND lead.explained_by IS NULL
        -- What was repaired was judged by then.
        AND (lead.settled_at IS NULL OR finding.found_at <= lead.settled_at)
) AS judged
GROUP BY "group"
ORDER BY "group";
