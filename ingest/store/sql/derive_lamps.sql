-- Derives anew, around readings that were just stored, which lamps came on and went off: an event stands exactly where
-- an alarm block differs from the one before, in the order of time. Every car's row of vehicle_state is locked by now.
WITH touched AS (
    SELECT vehicle_id, first, last
    FROM unnest(%(vehicle_ids)s::bigint[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
        AS touched (vehicle_id, first, last)
),
spans AS (
    SELECT touched.vehicle_id, touched.first, touched.last, later.ts AS next,
        coalesce(
            earlier.alarm_lamps,
            -- Silent for days: what was on is what the events say.
            (
                SELECT coalesce(string_agg(code, ' '), '')
                FROM (
                    SELECT DISTINCT ON (code) code, state
                    FROM telemetry.vehicle_event AS event
                    WHERE event.vehicle_id = touched.vehicle_id AND event.ts < touched.first
                      AND event.kind = 'lamp' AND event.source = 'gbt32960'
                    ORDER BY code, ts DESC
                ) AS newest
                WHERE state = 'on'
            )
        ) AS lamps_before
    FROM touched
    JOIN telemetry.vehicle_state AS state ON state.vehicle_id = touched.vehicle_id
    LEFT JOIN LATERAL (
        SELECT reading.alarm_lamps
        FROM telemetry.vehicle_reading AS reading
        WHERE reading.vehicle_id = touched.vehicle_id AND reading.ts < touched.first
          AND reading.ts >= %(since)s AND reading.ts < %(newest)s
          AND reading.alarm_lamps IS NOT NULL AND reading.quality & %(ahead)s = 0
        ORDER BY reading.ts DESC, reading.seq DESC
        LIMIT 1
    ) AS earlier ON true
    LEFT JOIN LATERAL (
        SELECT reading.ts
        FROM telemetry.vehicle_reading AS reading
        WHERE reading.vehicle_id = touched.vehicle_id
          AND reading.ts > touched.last AND reading.ts <= state.alarm_lamps_at
          AND reading.ts >= %(since)s
          AND reading.alarm_lamps IS NOT NULL AND reading.quality & %(ahead)s = 0
        ORDER BY reading.ts, reading.seq
        LIMIT 1
    ) AS later ON true
),
steps AS (
    SELECT spans.vehicle_id, said.ts, said.received_at, said.battery_warning_level, said.alarm_lamps AS lamps,
        lag(said.alarm_lamps, 1, spans.lamps_before)
            OVER (PARTITION BY spans.vehicle_id, spans.first ORDER BY said.ts) AS lamps_before
    FROM spans
    CROSS JOIN LATERAL (
        -- Of several readings of one instant the last one counts.
        SELECT DISTINCT ON (reading.ts)
            reading.ts, reading.received_at, reading.battery_warning_level, reading.alarm_lamps
        FROM telemetry.vehicle_reading AS reading
        WHERE reading.vehicle_id = spans.vehicle_id
          AND reading.ts >= spans.first AND reading.ts <= coalesce(spans.next, spans.last)
          AND reading.ts >= %(since)s
          AND reading.alarm_lamps IS NOT NULL AND reading.quality & %(ahead)s = 0
        ORDER BY reading.ts, reading.seq DESC
    ) AS said
),
changes AS (
    SELECT vehicle_id, ts, received_at, battery_warning_level,
        string_to_array(lamps, ' ') AS codes, string_to_array(lamps_before, ' ') AS codes_before
    FROM steps
    WHERE lamps <> lamps_before
),
wanted AS (
    SELECT vehicle_id, ts, received_at, code, 'on' AS state, coalesce(battery_warning_level, 0) AS level
    FROM changes, unnest(codes) AS code
    WHERE code <> ALL (codes_before)
    UNION
    SELECT vehicle_id, ts, received_at, code, 'off', 0
    FROM changes, unnest(codes_before) AS code
    WHERE code <> ALL (codes)
),
outdated AS (
    DELETE FROM telemetry.vehicle_event AS event
    USING spans
    WHERE event.vehicle_id = spans.vehicle_id
      AND event.ts >= spans.first AND event.ts <= coalesce(spans.next, spans.last)
      AND event.kind = 'lamp' AND event.source = 'gbt32960'
      AND NOT EXISTS (
          SELECT FROM wanted
          WHERE wanted.vehicle_id = event.vehicle_id AND wanted.ts = event.ts
            AND wanted.code = event.code AND wanted.state = event.state
      )
)
INSERT INTO telemetry.vehicle_event (vehicle_id, ts, received_at, kind, code, state, level, source)
SELECT vehicle_id, ts, received_at, 'lamp', code, state, level, 'gbt32960'
FROM wanted
ON CONFLICT (vehicle_id, ts, kind, code, state, source) DO UPDATE
SET received_at = excluded.received_at, level = excluded.level
WHERE (vehicle_event.received_at, vehicle_event.level) IS DISTINCT FROM (excluded.received_at, excluded.level);
