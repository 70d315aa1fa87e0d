-- The safety desk's board: open cases, worst and newest first, with everything that is known of each as JSON.
SELECT
    known.case_id,
    known.kind,
    known.severity,
    known.opened_at,
    known.last_seen_at,
    known.operator,
    known.station,
    known.connector,
    known.session_id,
    car.model,
    car.chemistry,
    identity.vin,
    owner.name AS owner_name,
    owner.language AS owner_language,
    contact.phone,
    handling.acknowledged_at,
    handling.acknowledged_by,
    coalesce(seen.sightings, '[]'::jsonb) AS sightings,
    coalesce(seen.reports, 0) AS reports,
    coalesce(seen.is_on, false) AS is_on,
    coalesce(stops.actions, '[]'::jsonb) AS actions,
    coalesce(told.deliveries, '[]'::jsonb) AS deliveries,
    coalesce(work.tasks, '[]'::jsonb) AS tasks
FROM safety.safety_case AS known
LEFT JOIN safety.case_handling AS handling USING (case_id)
LEFT JOIN telemetry.vehicle AS car ON car.vehicle_id = known.vehicle_id
LEFT JOIN pii.vehicle_identity AS identity ON identity.vehicle_id = known.vehicle_id
LEFT JOIN pii.owner AS owner USING (owner_id)
LEFT JOIN LATERAL (
    SELECT min(address) AS phone FROM pii.contact
    WHERE contact.owner_id = owner.owner_id AND contact.channel = 'phone'
) AS contact ON true
CROSS JOIN LATERAL (
    SELECT array_agg(case_id) AS case_ids FROM safety.safety_case AS part
    WHERE part.case_id = known.case_id OR part.joined_to = known.case_id
) AS together
CROSS JOIN LATERAL (
    SELECT
        jsonb_agg(jsonb_build_object(
            'source', source, 'channel', channel, 'code', code, 'kind', kind, 'severity', severity, 'state', state,
            'remark', remark, 'measures', measures, 'at', received_at
        ) ORDER BY received_at DESC) FILTER (WHERE place <= 8) AS sightings,
        count(*) AS reports,
        bool_or(newest = 1 AND state = 'on') AS is_on
    FROM (
        SELECT
            sighting.*,
            row_number() OVER (ORDER BY received_at DESC, report_id) AS place,
            row_number() OVER (PARTITION BY danger_id ORDER BY received_at DESC, report_id) AS newest
        FROM safety.sighting
        WHERE sighting.case_id = ANY (together.case_ids)
    ) AS ranked
) AS seen
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object(
        'action_id', action_id, 'target', target, 'state', state, 'policy', policy, 'decided_by', decided_by,
        'attempts', attempts, 'detail', detail, 'at', state_at, 'decided_at', decided_at
    ) ORDER BY decided_at DESC, target) AS actions
    FROM safety.action
    WHERE action.case_id = ANY (together.case_ids)
) AS stops
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object(
        'recipient', recipient, 'channel', channel, 'accepted', accepted, 'detail', detail, 'at', sent_at,
        'receipt_at', receipt_at, 'receipt_by', receipt_by
    ) ORDER BY sent_at DESC) FILTER (WHERE place <= 8) AS deliveries
    FROM (
        SELECT delivery.*, row_number() OVER (ORDER BY receipt_at DESC NULLS LAST, sent_at DESC) AS place
        FROM safety.delivery
        WHERE delivery.case_id = ANY (together.case_ids)
    ) AS ranked
) AS told
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object(
        'task_id', task_id, 'kind', kind, 'due_at', due_at, 'detail', detail, 'done_at', done_at, 'done_by', done_by,
        'result', result
    ) ORDER BY done_at IS NOT NULL, due_at) AS tasks
    FROM safety.task
    WHERE task.case_id = ANY (together.case_ids)
) AS work
WHERE known.joined_to IS NULL AND handling.closed_at IS NULL AND (%(case_id)s::uuid IS NULL OR known.case_id = %(case_id)s)
    -- A notice that nobody says anything about any more is not the desk's.
    AND (known.severity < 3 OR known.last_seen_at > now() - interval '1 hour')
ORDER BY (handling.acknowledged_at IS NULL AND known.severity < 3) DESC, known.severity, known.opened_at DESC
LIMIT %(limit)s;
