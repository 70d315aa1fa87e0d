-- A session by its operator's name for it.
SELECT charging_session_id, operator, station, connector, session_id, vehicle_id, state, started_at, proof
FROM telemetry.charging_session
WHERE operator = ANY(%(operators)s) AND session_id = %(session_id)s
