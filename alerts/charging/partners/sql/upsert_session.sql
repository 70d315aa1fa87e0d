-- What an operator says of a session. What is over stays over, and one that ends before it charged has failed.
INSERT INTO telemetry.charging_session AS known (
    operator, station, connector, session_id, vehicle_id, state, started_at, ended_at, reason, said_at, received_at, channel
)
VALUES (
    %(operator)s, %(station)s, %(connector)s, %(session_id)s,
    (SELECT vehicle_id FROM pii.vehicle_identity WHERE vin = %(vin)s),
    %(state)s, coalesce(%(started_at)s, %(said_at)s), %(ended_at)s, %(reason)s, %(said_at)s, %(received_at)s, %(channel)s
)
ON CONFLICT (operator, session_id) DO UPDATE SET
    station = coalesce(known.station, excluded.station),
    connector = coalesce(known.connector, excluded.connector),
    vehicle_id = coalesce(excluded.vehicle_id, known.vehicle_id),
    state = CASE
        WHEN known.state IN ('ended', 'failed') THEN known.state
        WHEN excluded.state = 'ended' AND known.state = 'starting' THEN 'failed'
        WHEN excluded.state = 'starting' THEN known.state
        ELSE excluded.state
    END,
    ended_at = coalesce(known.ended_at, excluded.ended_at),
    reason = coalesce(excluded.reason, known.reason),
    said_at = greatest(known.said_at, excluded.said_at),
    -- Another car than was proved is not.
    proof = CASE WHEN excluded.vehicle_id <> known.vehicle_id THEN NULL ELSE known.proof END,
    proved_at = CASE WHEN excluded.vehicle_id <> known.vehicle_id THEN NULL ELSE known.proved_at END
WHERE excluded.said_at >= known.said_at OR excluded.state IN ('ended', 'failed')
