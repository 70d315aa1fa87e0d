-- Puts a message to the owner of a case on its way, in the owner's language.
INSERT INTO care.message (message_id, case_id, kind, language, title, body, link, made_at, next_at)
SELECT %(message_id)s, care.case.case_id, %(kind)s, coalesce(owner.language, 'zh_CN'), %(title)s, %(body)s, %(link)s,
    %(now)s, %(at)s
FROM care.case
LEFT JOIN pii.vehicle_identity AS identity USING (vehicle_id)
LEFT JOIN pii.owner AS owner USING (owner_id)
WHERE care.case.case_id = %(case_id)s;
