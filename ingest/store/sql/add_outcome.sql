-- Adds what one batch came to to the counts of its worker epoch.
INSERT INTO telemetry.outcome
    (epoch, lane, batch, batch_messages, in_flight, received, stored, duplicate, dead, refused, worker, started_at,
     updated_at)
VALUES (%(epoch)s, %(lane)s, %(batch)s, %(batch_messages)s, %(in_flight)s, %(received)s, %(stored)s, %(duplicate)s,
        %(dead)s, %(refused)s, %(worker)s, %(started_at)s, %(now)s)
ON CONFLICT (epoch, lane) DO UPDATE
SET batch = excluded.batch,
    batch_messages = excluded.batch_messages,
    in_flight = excluded.in_flight,
    received = outcome.received + excluded.received,
    stored = outcome.stored + excluded.stored,
    duplicate = outcome.duplicate + excluded.duplicate,
    dead = outcome.dead + excluded.dead,
    refused = outcome.refused + excluded.refused,
    updated_at = excluded.updated_at;
