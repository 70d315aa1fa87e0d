-- Takes a message id, once. Returns what was known of it before, nothing when it was new or came anew with the same
-- content.
WITH known AS (
    SELECT digest, sent_at FROM safety.partner_message
    WHERE partner_id = %(partner_id)s AND channel = %(channel)s AND message_id = %(message_id)s
), taken AS (
    INSERT INTO safety.partner_message AS message (partner_id, channel, message_id, digest, sent_at, received_at)
    VALUES (%(partner_id)s, %(channel)s, %(message_id)s, %(digest)s, %(sent_at)s, %(received_at)s)
    ON CONFLICT (partner_id, channel, message_id) DO UPDATE SET sent_at = excluded.sent_at
    WHERE message.digest = excluded.digest AND message.sent_at < excluded.sent_at
    RETURNING message_id
)
SELECT known.digest, known.sent_at FROM known WHERE NOT EXISTS (SELECT FROM taken)
