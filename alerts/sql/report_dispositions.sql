-- Calls of a time by what came of them.
SELECT disposition, count(*) AS calls
FROM care.contact
WHERE ended_at >= %(since)s AND ended_at < %(until)s
GROUP BY disposition
ORDER BY calls DESC, disposition;
