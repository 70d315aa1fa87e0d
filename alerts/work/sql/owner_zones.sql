-- The time zones that owners live in, each once: the index is skipped through, not read.
WITH RECURSIVE zone AS (
    (SELECT time_zone FROM pii.owner ORDER BY time_zone LIMIT 1)
    UNION ALL
    SELECT (SELECT owner.time_zone FROM pii.owner WHERE owner.time_zone > zone.time_zone ORDER BY owner.time_zone LIMIT 1)
    FROM zone
    WHERE zone.time_zone IS NOT NULL
)
SELECT time_zone FROM zone WHERE time_zone IS NOT NULL;
