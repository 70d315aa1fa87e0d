-- Takes the oldest changes off the list, as far as it went when the turn began, and remembers which days of which cars are
-- to be judged: those that changed, the days after them, since a day is judged with the one before in view, and the next
-- one on which the car spoke after a silence. Notes the former as waiting for their rollups.
WITH taken AS (
    DELETE FROM telemetry.changed_day
    WHERE changed_day_id <= (
        SELECT max(changed_day_id)
        FROM (
            SELECT changed_day_id FROM telemetry.changed_day
            WHERE changed_day_id <= %(newest)s
            ORDER BY changed_day_id LIMIT %(limit)s
        ) AS oldest
    )
    RETURNING vehicle_id, day
),
stale AS (
    INSERT INTO telemetry.stale_day (vehicle_id, day) SELECT DISTINCT vehicle_id, day FROM taken
),
changed AS (
    SELECT DISTINCT vehicle_id, day FROM taken
)
INSERT INTO judged_day
SELECT vehicle_id, day FROM changed
UNION
SELECT vehicle_id, day + 1 FROM changed
UNION
SELECT changed.vehicle_id, (
    SELECT (reading.ts AT TIME ZONE 'UTC')::date
    FROM telemetry.vehicle_reading AS reading
    WHERE reading.vehicle_id = changed.vehicle_id
      AND reading.ts >= (changed.day + 2)::timestamp AT TIME ZONE 'UTC'
      AND reading.ts <= (changed.day + %(silent_days)s + 1)::timestamp AT TIME ZONE 'UTC'
      AND reading.quality & %(ahead)s = 0
    ORDER BY reading.ts
    LIMIT 1
) AS later
FROM changed;
