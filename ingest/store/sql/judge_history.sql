-- Flags readings of the judged days that do not fit the ones before them, as far back as the day before. A reading that
-- no longer deserves a flag, since what was missing has come, loses it.
WITH seen AS (
    SELECT reading.vehicle_id, reading.ts, reading.seq, reading.quality, judged.day, reading.speed_kmh,
        reading.ts - lag(reading.ts) OVER car AS since_last,
        lag(reading.seq) OVER car AS last_seq
        {columns}
    FROM judged_day AS judged
    JOIN telemetry.vehicle_reading AS reading
        ON reading.vehicle_id = judged.vehicle_id
        AND reading.ts >= (judged.day - 1)::timestamp AT TIME ZONE 'UTC'
        AND reading.ts < (judged.day + 1)::timestamp AT TIME ZONE 'UTC'
    WHERE reading.quality & {ahead} = 0
    WINDOW car AS (PARTITION BY reading.vehicle_id, judged.day ORDER BY reading.ts, reading.seq)
),
runs AS (
    SELECT *
        {runs}
    FROM seen
),
judged AS (
    SELECT vehicle_id, ts, seq, quality, day,
        CASE WHEN since_last <= interval '10 minutes' AND ({jumped}) THEN {jump} ELSE 0 END
        | CASE WHEN speed_kmh > 0 AND ({stuck}) THEN {frozen} ELSE 0 END
        | CASE WHEN last_seq > 0 AND seq > last_seq + 1 THEN {gap} ELSE 0 END AS found
    FROM runs
    WINDOW car AS (PARTITION BY vehicle_id, day ORDER BY ts, seq)
)
UPDATE telemetry.vehicle_reading AS reading
SET quality = (reading.quality & ~{history}) | judged.found
FROM judged
WHERE judged.ts >= judged.day::timestamp AT TIME ZONE 'UTC'
  AND reading.vehicle_id = judged.vehicle_id AND reading.ts = judged.ts AND reading.seq = judged.seq
  AND reading.quality & {history} <> judged.found;
