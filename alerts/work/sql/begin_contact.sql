-- Begins an attempt.
INSERT INTO care.contact (case_id, owner_id, account_id, began_at)
VALUES (%(case_id)s, %(owner_id)s, %(account_id)s, %(now)s)
RETURNING contact_id;
