-- The attempts to reach the owner of a case, newest first.
SELECT contact_id, account.name AS agent, began_at, ended_at, disposition, note, call_back_at
FROM care.contact
JOIN access.account USING (account_id)
WHERE case_id = %(case_id)s
ORDER BY contact_id DESC;
