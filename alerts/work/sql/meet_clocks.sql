-- Stops clocks of a case.
UPDATE care.clock
SET met_at = %(now)s
WHERE case_id = %(case_id)s AND kind = ANY (%(kinds)s::text[]) AND met_at IS NULL;
