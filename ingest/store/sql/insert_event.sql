-- Stores one event of a car unless it is there already.
INSERT INTO telemetry.vehicle_event (vehicle_id, ts, received_at, kind, code, state, level)
VALUES (%(vehicle_id)s, %(ts)s, %(received_at)s, %(kind)s, %(code)s, %(state)s, %(level)s)
ON CONFLICT DO NOTHING
RETURNING 1;
