-- What the system holds and when it last heard of a car.
SELECT (SELECT count(*) FROM telemetry.vehicle),
       (SELECT count(*) FROM care.case WHERE state = 'open'),
       (SELECT count(*) FROM pii.dead_letter WHERE replayed_at IS NULL),
       coalesce(sum(received), 0)::bigint,
       coalesce(sum(stored), 0)::bigint,
       coalesce(sum(duplicate), 0)::bigint,
       coalesce(sum(dead), 0)::bigint,
       coalesce(sum(refused), 0)::bigint,
       max(updated_at)
FROM telemetry.outcome
