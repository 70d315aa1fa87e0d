-- Notes that dead letters were published again.
UPDATE pii.dead_letter
SET replayed_at = %(at)s
WHERE dead_letter_id = ANY (%(ids)s)
