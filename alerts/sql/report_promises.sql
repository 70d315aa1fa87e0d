-- Promises that were due in a time, and how many were kept.
SELECT
    kind,
    count(*) AS due,
    count(*) FILTER (WHERE met_at <= due_at) AS kept,
    count(*) FILTER (WHERE met_at IS NULL) AS open
FROM care.clock
WHERE due_at >= %(since)s AND due_at < %(until)s AND (due_at <= %(now)s OR met_at IS NOT NULL)
GROUP BY kind
ORDER BY kind;
