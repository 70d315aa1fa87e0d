-- Flags readings of the judged days that do not fit the ones before them, as far back as the day before; for missing
-- sequence numbers as far back as a car may be silent. A reading that no longer deserves a flag, since what was missing
-- has come, loses it.
WITH numbered AS (
    SELECT reading.vehicle_id, reading.ts, reading.seq, judged.day
        {signals},
        row_number() OVER car AS number,
        reading.ts - lag(reading.ts) OVER car AS since_last,
        lag(reading.seq) OVER car AS last_seq
    FROM judged_day AS judged
    JOIN telemetry.vehicle_reading AS reading
        ON reading.vehicle_id = judged.vehicle_id
        AND reading.ts >= (judged.day - 1)::timestamp AT TIME ZONE 'UTC'
        AND reading.ts < (judged.day + 1)::timestamp AT TIME ZONE 'UTC'
    WHERE reading.quality & {ahead} = 0
    WINDOW car AS (PARTITION BY reading.vehicle_id, judged.day ORDER BY reading.ts, reading.seq)
),
-- The number of the last reading before that has the signal: not every reading has every signal.
located AS (
    SELECT *
        {last_numbers}
    FROM numbered
    WINDOW before AS (PARTITION BY vehicle_id, day ORDER BY ts, seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
compared AS (
    SELECT *
        {last_values}
    FROM located
    WINDOW car AS (PARTITION BY vehicle_id, day ORDER BY ts, seq)
),
runs AS (
    SELECT *
        {runs}
    FROM compared
),
judged AS (
    SELECT vehicle_id, ts, seq, day, number, last_seq,
        CASE WHEN {jumped} THEN {jump} ELSE 0 END
        | CASE WHEN known_speed > 0 AND ({stuck}) THEN {frozen} ELSE 0 END AS found
    FROM runs
    WINDOW car AS (PARTITION BY vehicle_id, day ORDER BY ts, seq)
),
-- What a clock that ran ahead put elsewhere is not missing.
elsewhere AS MATERIALIZED (
    SELECT reading.vehicle_id, reading.seq
    FROM telemetry.vehicle_reading AS reading
    WHERE reading.quality & {ahead} <> 0
      AND reading.ts >= (%(first)s::date - 1)::timestamp AT TIME ZONE 'UTC'
      AND reading.vehicle_id IN (SELECT vehicle_id FROM judged_day)
),
followed AS (
    SELECT vehicle_id, ts, seq, found,
        -- The first reading after a silent day: the one before is older than what is in view.
        CASE WHEN number > 1 THEN last_seq ELSE (
            SELECT earlier.seq
            FROM telemetry.vehicle_reading AS earlier
            WHERE earlier.vehicle_id = judged.vehicle_id
              AND earlier.ts >= (judged.day - {silent_days})::timestamp AT TIME ZONE 'UTC'
              AND earlier.ts < (judged.day - 1)::timestamp AT TIME ZONE 'UTC'
              AND earlier.ts >= (%(first)s::date - {silent_days})::timestamp AT TIME ZONE 'UTC'
              AND earlier.ts < %(last)s::timestamp AT TIME ZONE 'UTC'
              AND earlier.quality & {ahead} = 0
            ORDER BY earlier.ts DESC, earlier.seq DESC
            LIMIT 1
        ) END AS last_seq
    FROM judged
    WHERE ts >= day::timestamp AT TIME ZONE 'UTC'
),
verdict AS (
    SELECT vehicle_id, ts, seq,
        found | CASE WHEN last_seq > 0 AND seq > last_seq + 1 AND seq - last_seq - 1 > (
            SELECT count(DISTINCT elsewhere.seq)
            FROM elsewhere
            WHERE elsewhere.vehicle_id = followed.vehicle_id
              AND elsewhere.seq > followed.last_seq AND elsewhere.seq < followed.seq
        ) THEN {gap} ELSE 0 END AS found
    FROM followed
)
UPDATE telemetry.vehicle_reading AS reading
SET quality = (reading.quality & ~{history}) | verdict.found
FROM verdict
WHERE reading.vehicle_id = verdict.vehicle_id AND reading.ts = verdict.ts AND reading.seq = verdict.seq
  AND reading.quality & {history} <> verdict.found;
