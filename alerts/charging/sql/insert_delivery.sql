-- Records that a message to a person was handed over, or could not be.
INSERT INTO safety.delivery (delivery_id, case_id, recipient, channel, contact_id, round, sent_at, accepted, detail)
VALUES (
    %(delivery_id)s, %(case_id)s, %(recipient)s, %(channel)s, %(contact_id)s, %(round)s, %(at)s, %(accepted)s, %(detail)s
)
ON CONFLICT DO NOTHING;
