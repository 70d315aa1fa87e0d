-- Keeps what could not be stored, with its reason and bytes.
INSERT INTO pii.dead_letter (received_at, topic, reason, detail, payload, samples, epoch)
VALUES (%(received_at)s, %(topic)s, %(reason)s, %(detail)s, %(payload)s, %(samples)s, %(epoch)s);
