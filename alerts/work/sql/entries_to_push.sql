-- What has happened since the last push, in order, up to the first that is too young: what two servers write at once
-- gets its numbers in another order than its times. Notes stay in the house.
SELECT entry_id, case_id, at, kind, detail
FROM care.entry
WHERE entry_id > %(after)s
    AND entry_id < coalesce(
        (SELECT min(entry_id) FROM care.entry WHERE entry_id > %(after)s AND at >= %(before)s), 9223372036854775807
    )
ORDER BY entry_id
LIMIT %(limit)s;
