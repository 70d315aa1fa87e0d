-- Messages whose next try is due, with the addresses of their owners, if these may still be written to.
SELECT
    message.message_id, message.case_id, care.case.vehicle_id, message.kind, message.language, message.title,
    message.body, message.link, message.tried,
    coalesce(
        (
            SELECT array_agg(ARRAY[contact.channel, contact.address] ORDER BY contact.contact_id)
            FROM pii.vehicle_identity AS identity
            JOIN pii.owner AS owner USING (owner_id)
            JOIN pii.contact AS contact USING (owner_id)
            WHERE identity.vehicle_id = care.case.vehicle_id
                AND (SELECT granted FROM pii.consent_now WHERE consent_now.vehicle_id = identity.vehicle_id AND purpose = 'care')
                -- Who asked to be left alone is told of what was agreed, and of nothing else.
                AND (NOT owner.do_not_call OR message.kind IN ('appointment', 'reminder'))
        ),
        '{}'
    ) AS addresses,
    EXISTS (
        SELECT FROM pii.vehicle_identity AS identity
        JOIN pii.owner AS owner USING (owner_id)
        WHERE identity.vehicle_id = care.case.vehicle_id
            AND NOT owner.do_not_call
            AND (SELECT granted FROM pii.consent_now WHERE consent_now.vehicle_id = identity.vehicle_id AND purpose = 'care')
    ) AS may_be_called
FROM care.message
JOIN care.case USING (case_id)
WHERE message.next_at <= %(now)s
ORDER BY message.next_at, message.message_id
LIMIT %(limit)s
FOR UPDATE OF message SKIP LOCKED;
