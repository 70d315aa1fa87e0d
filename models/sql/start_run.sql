-- Notes that a job has begun.
INSERT INTO prediction.run (job, started_at) VALUES (%(job)s, %(started_at)s) RETURNING run_id;
