-- Opens a safety case or completes what is known of it; one about the same car, opened elsewhere before, takes it in.
INSERT INTO safety.safety_case AS known (
    case_id, opened_at, last_seen_at, operator, station, connector, session_id, vehicle_id, kind, severity, joined_to
)
SELECT
    %(case_id)s, %(at)s, %(at)s, %(operator)s, %(station)s, %(connector)s, %(session_id)s, %(vehicle_id)s, %(kind)s,
    %(severity)s,
    (
        SELECT other.case_id
        FROM safety.safety_case AS other
        LEFT JOIN safety.case_handling AS handling USING (case_id)
        WHERE other.vehicle_id = %(vehicle_id)s AND other.case_id <> %(case_id)s AND other.joined_to IS NULL
            AND handling.closed_at IS NULL AND other.opened_at BETWEEN %(at)s - interval '1 hour' AND %(at)s
        ORDER BY other.opened_at, other.case_id
        LIMIT 1
    )
ON CONFLICT (case_id) DO UPDATE SET
    opened_at = least(known.opened_at, excluded.opened_at),
    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
    station = CASE WHEN known.operator IS NULL THEN excluded.station ELSE known.station END,
    connector = CASE
        WHEN known.operator IS NULL THEN excluded.connector
        WHEN known.operator = excluded.operator AND known.station = excluded.station
            THEN coalesce(known.connector, excluded.connector)
        ELSE known.connector
    END,
    session_id = CASE
        WHEN known.operator IS NULL THEN excluded.session_id
        WHEN known.operator = excluded.operator AND known.station = excluded.station
            THEN coalesce(known.session_id, excluded.session_id)
        ELSE known.session_id
    END,
    operator = coalesce(known.operator, excluded.operator),
    vehicle_id = coalesce(known.vehicle_id, excluded.vehicle_id),
    kind = CASE WHEN excluded.severity < known.severity THEN excluded.kind ELSE known.kind END,
    severity = least(known.severity, excluded.severity);
