-- What is known of a time, by where it is known from.
SELECT source, count(*)
FROM prediction.label
WHERE occurred_at >= %(since)s AND occurred_at < %(until)s
GROUP BY source
ORDER BY source;
