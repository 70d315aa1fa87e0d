-- Notes as failed what began long ago and never said how it ended.
UPDATE prediction.run
SET outcome = 'failed', finished_at = %(now)s, detail = detail || '{"error": "it ended without saying how"}'
WHERE outcome IS NULL AND started_at < %(before)s;
