-- Notes that a triage began.
INSERT INTO prediction.run (job, started_at) VALUES ('triage', %(started_at)s) RETURNING run_id;
