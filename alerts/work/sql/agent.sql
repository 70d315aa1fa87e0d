-- A person who works on cases.
SELECT account_id, name, languages, skills,
    (
        SELECT case_id FROM care.contact
        WHERE contact.account_id = account.account_id AND disposition IS NULL
    ) AS contact
FROM access.account
WHERE account_id = %(account_id)s AND locked_at IS NULL;
