-- What became of every sample so far, over all workers.
SELECT coalesce(sum(received), 0)::bigint,
       coalesce(sum(stored), 0)::bigint,
       coalesce(sum(duplicate), 0)::bigint,
       coalesce(sum(dead), 0)::bigint,
       coalesce(sum(refused), 0)::bigint
FROM telemetry.outcome
