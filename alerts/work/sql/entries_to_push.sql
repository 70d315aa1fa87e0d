-- What has happened since the last push, in order. Notes stay in the house.
SELECT entry_id, case_id, at, kind, detail
FROM care.entry
WHERE entry_id > %(after)s AND at < %(before)s
ORDER BY entry_id
LIMIT %(limit)s;
