-- By operator: sessions, starts that failed, and anomalies by the worst severity each came to.
WITH told AS (
    SELECT operator, count(*) AS sessions, count(*) FILTER (WHERE state = 'failed') AS failed
    FROM telemetry.charging_session
    WHERE started_at >= %(since)s AND started_at < %(until)s
    GROUP BY operator
), measured AS (
    -- Of operators that send readings alone nobody says whether a start failed.
    SELECT connector.operator, count(DISTINCT (reading.connector_id, reading.session_id)) AS sessions
    FROM telemetry.charging_reading AS reading
    JOIN telemetry.connector AS connector USING (connector_id)
    WHERE reading.ts >= %(since)s AND reading.ts < %(until)s AND reading.session_id IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM telemetry.charging_session AS session
          WHERE session.operator = connector.operator AND session.session_id = reading.session_id
      )
    GROUP BY connector.operator
), danger AS (
    SELECT operator, danger_id, min(severity) AS severity
    FROM safety.sighting
    WHERE source IN ('partner', 'pile') AND state = 'on' AND operator IS NOT NULL
      AND received_at >= %(since)s AND received_at < %(until)s
    GROUP BY operator, danger_id
), anomaly AS (
    SELECT operator,
        count(*) FILTER (WHERE severity = 1) AS personal,
        count(*) FILTER (WHERE severity = 2) AS equipment,
        count(*) FILTER (WHERE severity = 3) AS notice
    FROM danger
    GROUP BY operator
)
SELECT coalesce(told.operator, measured.operator, anomaly.operator) AS operator,
    coalesce(told.sessions, 0) AS told, coalesce(told.failed, 0) AS failed, coalesce(measured.sessions, 0) AS measured,
    coalesce(anomaly.personal, 0) AS personal, coalesce(anomaly.equipment, 0) AS equipment,
    coalesce(anomaly.notice, 0) AS notice
FROM told
FULL JOIN measured ON measured.operator = told.operator
FULL JOIN anomaly ON anomaly.operator = coalesce(told.operator, measured.operator)
ORDER BY 1
