-- Open cases as a desk remembers them, with the dangers, reports and stops that they are made of.
SELECT
    known.case_id,
    known.opened_at,
    known.last_seen_at,
    known.severity,
    known.kind,
    known.operator,
    known.station,
    known.connector,
    known.session_id,
    identity.vin,
    seen.dangers,
    seen.reports,
    coalesce(stops.actions, '[]'::jsonb)
FROM safety.safety_case AS known
LEFT JOIN safety.case_handling AS handling USING (case_id)
LEFT JOIN pii.vehicle_identity AS identity USING (vehicle_id)
CROSS JOIN LATERAL (
    SELECT
        coalesce(array_agg(DISTINCT danger_id), '{}') AS dangers,
        coalesce(array_agg(report_id ORDER BY received_at DESC), '{}') AS reports
    FROM (
        SELECT danger_id, report_id, received_at FROM safety.sighting
        WHERE sighting.case_id = known.case_id
        ORDER BY received_at DESC
        LIMIT 5000
    ) AS newest
) AS seen
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object(
        'request', request, 'target', target, 'policy', policy, 'decided_by', decided_by, 'decided_at', decided_at,
        'state', state, 'attempts', attempts, 'state_at', state_at
    ) ORDER BY decided_at) AS actions
    FROM safety.action
    WHERE action.case_id = known.case_id
) AS stops
WHERE handling.closed_at IS NULL AND known.last_seen_at > now() - interval '24 hours'
ORDER BY known.last_seen_at;
