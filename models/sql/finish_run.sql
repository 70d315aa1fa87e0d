-- Notes how a job ended.
UPDATE prediction.run
SET finished_at = %(finished_at)s, outcome = %(outcome)s, detail = %(detail)s
WHERE run_id = %(run_id)s;
