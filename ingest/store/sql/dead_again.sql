-- Why replayed messages became dead letters once more: by reason, those of these topics that came after a certain one.
SELECT reason, count(*)
FROM pii.dead_letter
WHERE dead_letter_id > %(newest)s AND topic = ANY (%(topics)s)
GROUP BY reason
ORDER BY count(*) DESC, reason
