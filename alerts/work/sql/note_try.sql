-- Notes a try, and when the next one is due without a receipt.
WITH tried AS (
    INSERT INTO care.message_try (message_id, nth, channel, at, taken, reason)
    VALUES (%(message_id)s, %(nth)s, %(channel)s, %(now)s, %(taken)s, %(reason)s)
)
UPDATE care.message SET tried = %(nth)s, next_at = %(next_at)s WHERE message_id = %(message_id)s;
