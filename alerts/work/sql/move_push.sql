-- So far everything was pushed.
UPDATE care.pushed SET entry_id = %(entry_id)s;
