-- Proves a session by the car's own word: it was not charging, and within a minute of the pile's start it was. Not when
-- the start was told late, when it could have been looked up, nor while another session claims the same car.
WITH car AS (
    SELECT ts, is_charging
    FROM telemetry.vehicle_reading
    WHERE vehicle_id = %(vehicle_id)s AND is_charging IS NOT NULL
      AND ts BETWEEN %(started_at)s::timestamptz - interval '15 minutes' AND %(started_at)s::timestamptz + interval '60 seconds'
    UNION ALL
    SELECT ts, signals ->> 'is_charging' IN ('true', '1', '1.0')
    FROM telemetry.safety_reading
    WHERE vehicle_id = %(vehicle_id)s AND signals ? 'is_charging'
      AND ts BETWEEN %(started_at)s::timestamptz - interval '15 minutes' AND %(started_at)s::timestamptz + interval '60 seconds'
)
UPDATE telemetry.charging_session AS session
SET proof = 'start', proved_at = %(now)s
WHERE charging_session_id = %(charging_session_id)s
  AND session.vehicle_id = %(vehicle_id)s
  AND session.state = 'charging'
  AND session.received_at <= session.started_at + interval '5 minutes'
  AND EXISTS (SELECT FROM car WHERE is_charging AND ts >= session.started_at - interval '60 seconds')
  AND NOT coalesce(
      (SELECT is_charging FROM car WHERE ts < session.started_at - interval '60 seconds' ORDER BY ts DESC LIMIT 1), false)
  AND NOT EXISTS (
      SELECT FROM telemetry.charging_session AS other
      WHERE other.vehicle_id = session.vehicle_id AND other.state IN ('starting', 'charging')
        AND other.charging_session_id <> session.charging_session_id
        AND other.received_at > %(now)s::timestamptz - interval '1 day')
RETURNING charging_session_id
