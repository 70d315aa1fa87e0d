-- What became of every sample so far, by lane, over all workers.
SELECT lane,
       sum(received)::bigint,
       sum(stored)::bigint,
       sum(duplicate)::bigint,
       sum(dead)::bigint,
       sum(refused)::bigint
FROM telemetry.outcome
GROUP BY lane
ORDER BY lane
