-- Agents, with what each has in hand and has done.
SELECT
    account.account_id,
    account.name,
    (
        SELECT count(*) FROM care.case_work
        JOIN care.case USING (case_id)
        WHERE claimed_by = account.account_id AND claimed_until > %(now)s AND state = 'open'
    ) AS claimed,
    count(contact.contact_id) FILTER (WHERE contact.disposition IS NOT NULL) AS contacts,
    min(contact.began_at) FILTER (WHERE contact.disposition IS NULL) AS unfinished_since
FROM access.account
LEFT JOIN care.contact
    ON contact.account_id = account.account_id AND (contact.began_at >= %(since)s OR contact.disposition IS NULL)
WHERE account.role IN ('agent', 'supervisor') AND account.locked_at IS NULL
GROUP BY account.account_id, account.name
ORDER BY account.name;
