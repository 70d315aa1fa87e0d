-- Records what was seen, unless that report is there already.
INSERT INTO safety.sighting (
    report_id, danger_id, case_id, source, channel, source_id, operator, station, connector, session_id, vehicle_id, ts,
    received_at, code, kind, severity, state, remark, measures
)
VALUES (
    %(report_id)s, %(danger_id)s, %(case_id)s, %(source)s, %(channel)s, %(source_id)s, %(operator)s, %(station)s,
    %(connector)s, %(session_id)s, %(vehicle_id)s, %(ts)s, %(received_at)s, %(code)s, %(kind)s, %(severity)s, %(state)s,
    %(remark)s, %(measures)s
)
ON CONFLICT DO NOTHING;
