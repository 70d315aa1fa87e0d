-- Lamps whose newest word is that they are on, of those that came on lately.
SELECT vehicle_id, code, ts AS seen_at
FROM (
    SELECT DISTINCT ON (vehicle_id, code) vehicle_id, code, ts, state
    FROM telemetry.vehicle_event
    WHERE kind = 'lamp' AND received_at > %(since)s
    ORDER BY vehicle_id, code, ts DESC, event_id DESC
) AS newest
WHERE state = 'on';
