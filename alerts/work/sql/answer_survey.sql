-- Takes the first answer.
UPDATE care.survey
SET answered_at = %(now)s, score = %(score)s, note = %(note)s
WHERE survey_id = %(survey_id)s AND answered_at IS NULL;
