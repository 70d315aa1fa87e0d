-- Takes the oldest days of cars off the list of those that wait for their rollups.
WITH taken AS (
    DELETE FROM telemetry.stale_day
    WHERE stale_day_id <= (
        SELECT max(stale_day_id)
        FROM (SELECT stale_day_id FROM telemetry.stale_day ORDER BY stale_day_id LIMIT %(limit)s) AS oldest
    )
    RETURNING vehicle_id, day
),
rolled AS (
    INSERT INTO rolled_day SELECT DISTINCT vehicle_id, day FROM taken
)
SELECT count(*) FROM taken;
