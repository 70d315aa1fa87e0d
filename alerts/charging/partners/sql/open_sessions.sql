-- Sessions that go on, with the car that the operator names.
SELECT session.operator, session.station, session.connector, session.session_id, identity.vin, session.state,
    session.started_at, session.ended_at, session.reason, session.said_at, session.received_at, session.channel
FROM telemetry.charging_session AS session
LEFT JOIN pii.vehicle_identity AS identity USING (vehicle_id)
WHERE session.state IN ('starting', 'charging') AND session.received_at > %(since)s
ORDER BY session.said_at
