-- Notes how a triage ended.
UPDATE prediction.run
SET finished_at = clock_timestamp(), outcome = %(outcome)s, detail = %(detail)s
WHERE run_id = %(run_id)s;
