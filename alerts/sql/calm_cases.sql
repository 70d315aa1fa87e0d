-- Open cases whose signals fell silent long ago and that nobody has called about or taken.
SELECT care.case.case_id
FROM care.case
WHERE state = 'open'
    AND NOT EXISTS (SELECT FROM care.lead WHERE lead.case_id = care.case.case_id AND last_seen_at > %(before)s)
    AND NOT EXISTS (SELECT FROM care.contact WHERE contact.case_id = care.case.case_id)
    AND NOT EXISTS (SELECT FROM care.appointment WHERE appointment.case_id = care.case.case_id)
    AND NOT EXISTS (
        SELECT FROM care.case_work AS work
        WHERE work.case_id = care.case.case_id AND (claimed_by IS NOT NULL OR call_back)
    )
ORDER BY care.case.case_id
FOR UPDATE OF "case" SKIP LOCKED;
