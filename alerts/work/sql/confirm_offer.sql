-- The owner has the offer: every message that holds it has arrived.
UPDATE care.message
SET receipt_at = %(now)s, next_at = NULL
WHERE case_id = %(case_id)s AND kind = 'offer' AND receipt_at IS NULL
RETURNING message_id;
