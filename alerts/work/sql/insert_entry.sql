-- Writes down what happened to a case.
INSERT INTO care.entry (case_id, at, actor, kind, text, detail)
VALUES (%(case_id)s, %(at)s, %(actor)s, %(kind)s, %(text)s, %(detail)s);
