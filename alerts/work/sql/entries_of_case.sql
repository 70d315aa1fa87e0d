-- What happened to a case, newest first.
SELECT at, actor, kind, text, detail
FROM care.entry
WHERE case_id = %(case_id)s
ORDER BY entry_id DESC;
