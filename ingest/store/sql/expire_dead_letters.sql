-- Deletes dead letters that were recorded before a certain time.
DELETE FROM pii.dead_letter
WHERE recorded_at < %(before)s
