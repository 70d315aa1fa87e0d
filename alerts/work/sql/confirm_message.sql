-- Takes a receipt; answers whether it is the first.
WITH known AS (
    SELECT message_id, case_id, kind, receipt_at FROM care.message WHERE message_id = %(message_id)s FOR UPDATE
),
changed AS (
    UPDATE care.message AS message
    SET receipt_at = %(now)s, next_at = NULL
    FROM known
    WHERE message.message_id = known.message_id AND known.receipt_at IS NULL
)
SELECT case_id, receipt_at IS NULL, kind FROM known;
