-- Stores one figure of drift.
INSERT INTO prediction.drift (run_id, as_of, fault_mode, model_version, kind, subject, value, worst, n, detail)
VALUES
    (%(run_id)s, %(as_of)s, %(fault_mode)s, %(model_version)s, %(kind)s, %(subject)s, %(value)s, %(worst)s, %(n)s,
     %(detail)s);
