-- The next dead letters to replay, locked so that two replays at once do not publish one twice.
SELECT dead_letter_id, received_at, topic, payload
FROM pii.dead_letter
WHERE dead_letter_id > %(after)s AND dead_letter_id <= %(newest)s AND replayed_at IS NULL
  AND (%(ids)s::bigint[] IS NULL OR dead_letter_id = ANY (%(ids)s))
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
ORDER BY dead_letter_id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
