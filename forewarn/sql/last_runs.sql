-- When each job last ended well.
SELECT job, max(started_at)
FROM prediction.run
WHERE outcome = 'done'
GROUP BY job
