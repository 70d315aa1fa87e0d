-- The newest dead letters that nobody has replayed yet.
SELECT dead_letter_id, received_at, reason, detail, topic, samples, octet_length(payload)
FROM pii.dead_letter
WHERE replayed_at IS NULL AND (%(reason)s::text IS NULL OR reason = %(reason)s)
ORDER BY dead_letter_id DESC
LIMIT %(limit)s
