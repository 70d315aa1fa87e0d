-- Records a decision. It fails when another one has followed the one it was made upon.
INSERT INTO prediction.model_promotion
    (fault_mode, version, replaced, kind, decided_by, reason, forced, gate, decided_at, follows, digest)
VALUES
    (%(fault_mode)s, %(version)s, %(replaced)s, %(kind)s, %(decided_by)s, %(reason)s, %(forced)s, %(gate)s,
     %(decided_at)s, %(follows)s, %(digest)s);
