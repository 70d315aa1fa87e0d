-- Makes the question of a visit.
INSERT INTO care.survey (case_id, dealer_id, token_hash, asked_at)
VALUES (%(case_id)s, %(dealer_id)s, %(token_hash)s, %(now)s)
ON CONFLICT (case_id) DO NOTHING;
