-- A session as OCPI shows it: what was put, and nothing that we know besides.
SELECT session_id AS id, station AS location_id, connector AS evse_uid,
    CASE state WHEN 'charging' THEN 'ACTIVE' WHEN 'starting' THEN 'PENDING' WHEN 'ended' THEN 'COMPLETED' ELSE 'INVALID' END AS status,
    to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS start_date_time,
    to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS end_date_time,
    to_char(said_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS last_updated
FROM telemetry.charging_session
WHERE operator = %(operator)s AND session_id = %(session_id)s
