-- What became of every sample so far, by lane, over all workers; messages in flight of each worker's newest life, since
-- an earlier one holds none any more.
SELECT lane,
       sum(received)::bigint,
       sum(stored)::bigint,
       sum(duplicate)::bigint,
       sum(dead)::bigint,
       sum(refused)::bigint,
       (sum(in_flight) FILTER (WHERE life = 1))::bigint
FROM (
    SELECT *, row_number() OVER (PARTITION BY lane, worker ORDER BY started_at DESC, epoch) AS life
    FROM telemetry.outcome
) AS lives
GROUP BY lane
ORDER BY lane
