-- Stores what an operator calls abnormal unless that report is there already.
INSERT INTO safety.anomaly
    (connector_id, alarm_id, ts, received_at, session_id, vehicle_id, code, severity, state, remark, measures)
VALUES (%(connector_id)s, %(alarm_id)s, %(ts)s, %(received_at)s, %(session_id)s, %(vehicle_id)s, %(code)s, %(severity)s,
        %(state)s, %(remark)s, %(measures)s::jsonb)
ON CONFLICT DO NOTHING;
