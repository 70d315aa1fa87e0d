-- One dead letter with its bytes.
SELECT dead_letter_id, received_at, recorded_at, replayed_at, reason, detail, topic, samples, payload
FROM pii.dead_letter
WHERE dead_letter_id = %(id)s
