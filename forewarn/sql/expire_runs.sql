-- Deletes records of jobs that nothing else refers to; the last good run of each stays, since its next counts from it.
DELETE FROM prediction.run
WHERE job IN ('judge', 'refresh', 'expire', 'triage', 'slots', 'care') AND started_at < %(older_than)s
  AND run_id NOT IN (SELECT max(run_id) FROM prediction.run WHERE outcome = 'done' GROUP BY job);
