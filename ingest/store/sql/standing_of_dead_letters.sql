-- Which of these dead letters there are, and when each was replayed.
SELECT dead_letter_id, replayed_at
FROM pii.dead_letter
WHERE dead_letter_id = ANY (%(ids)s)
