-- Takes the first case, in an order, of those that wait and may be called about now. What somebody else takes at this moment is passed over.
WITH next AS (
    SELECT care.case.case_id
    FROM care.case_priority AS standing
    JOIN care.case USING (case_id)
    JOIN care.lead AS lead ON lead.lead_id = (standing.why ->> 'lead_id')::bigint
    JOIN pii.vehicle_identity AS identity ON identity.vehicle_id = care.case.vehicle_id
    JOIN pii.owner AS owner USING (owner_id)
    LEFT JOIN care.case_work AS work ON work.case_id = care.case.case_id
    WHERE care.case.state = 'open'
        AND {waits}
        AND (work.claimed_until IS NULL OR work.claimed_until <= %(now)s)
        AND NOT owner.do_not_call
        AND (lead.source = 'lamp' OR NOT EXISTS (
            SELECT FROM care.silence
            WHERE silence.vehicle_id = care.case.vehicle_id
                AND (silence.fault_mode IS NULL OR silence.fault_mode = lead.fault_mode)
                AND silence.begins_at <= %(now)s AND silence.ends_at > %(now)s
        ))
        AND owner.time_zone = ANY (%(zones)s::text[])
        AND owner.language = ANY (%(languages)s::text[])
        AND (%(modes)s::text[] IS NULL OR lead.fault_mode IS NULL OR lead.fault_mode = ANY (%(modes)s::text[]))
        AND (SELECT granted FROM pii.consent_now WHERE consent_now.vehicle_id = care.case.vehicle_id AND purpose = 'care')
        AND (
            SELECT count(*) FROM care.contact
            WHERE contact.owner_id = owner.owner_id AND contact.began_at > %(since)s
        ) < %(contacts)s
    ORDER BY {order}
    LIMIT 1
    FOR UPDATE OF "case" SKIP LOCKED
),
taken AS (
    INSERT INTO care.case_work AS work (case_id, claimed_by, claimed_until)
    SELECT case_id, %(account_id)s, %(until)s FROM next
    ON CONFLICT (case_id) DO UPDATE SET
        claimed_by = excluded.claimed_by,
        claimed_until = excluded.claimed_until,
        call_back = false
    -- Somebody who ended between our look and our lock may have taken it: then it is looked for anew.
    WHERE work.claimed_until IS NULL OR work.claimed_until <= %(now)s
    RETURNING case_id
)
SELECT next.case_id, taken.case_id IS NOT NULL FROM next LEFT JOIN taken USING (case_id);
