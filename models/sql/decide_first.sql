-- Makes a model champion of a fault mode that has none.
INSERT INTO prediction.model_promotion (fault_mode, version, kind, decided_by, reason, decided_at, digest)
VALUES (%(fault_mode)s, %(version)s, 'first', %(decided_by)s, %(reason)s, %(decided_at)s, %(digest)s)
ON CONFLICT (fault_mode, follows) DO NOTHING;
