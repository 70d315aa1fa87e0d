-- Stores that a lamp came on or went off, unless that is how it was already: an alarm frame repeats what is on.
INSERT INTO telemetry.vehicle_event (vehicle_id, ts, received_at, kind, code, state, level, source)
SELECT %(vehicle_id)s, %(ts)s, %(received_at)s, 'lamp', %(code)s, %(state)s, %(level)s, 'gbt32960'
WHERE %(state)s IS DISTINCT FROM coalesce(
    (
        SELECT before.state
        FROM telemetry.vehicle_event AS before
        WHERE before.vehicle_id = %(vehicle_id)s AND before.kind = 'lamp' AND before.code = %(code)s
          AND before.ts <= %(ts)s
        ORDER BY before.ts DESC, before.event_id DESC
        LIMIT 1
    ),
    'off'
)
ON CONFLICT DO NOTHING;
