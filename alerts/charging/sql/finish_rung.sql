-- Says what became of a rung.
UPDATE safety.rung SET done_at = %(now)s, outcome = %(outcome)s
WHERE case_id = %(case_id)s AND step = %(step)s AND round = %(round)s;
