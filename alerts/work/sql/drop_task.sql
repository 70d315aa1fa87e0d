-- What a task was made of is called off.
UPDATE care.task SET done_at = %(now)s, done_by = 'Forewarn', result = 'called off' WHERE source = %(source)s AND done_at IS NULL;
