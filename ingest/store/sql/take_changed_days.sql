-- Takes the oldest changes off the list and remembers which days of which cars are to be judged: those that changed and
-- the days after them, since a day is judged with the one before in view. Notes the former as waiting for their rollups.
WITH taken AS (
    DELETE FROM telemetry.changed_day
    WHERE changed_day_id <= (
        SELECT max(changed_day_id)
        FROM (SELECT changed_day_id FROM telemetry.changed_day ORDER BY changed_day_id LIMIT %(limit)s) AS oldest
    )
    RETURNING vehicle_id, day
),
stale AS (
    INSERT INTO telemetry.stale_day (vehicle_id, day) SELECT DISTINCT vehicle_id, day FROM taken
)
INSERT INTO judged_day SELECT DISTINCT vehicle_id, day + later FROM taken, (VALUES (0), (1)) AS days (later);
