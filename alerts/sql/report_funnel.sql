-- How far the cases came that were opened in a time.
SELECT
    count(*) AS opened,
    count(*) FILTER (WHERE EXISTS (SELECT FROM care.contact WHERE contact.case_id = matter.case_id)) AS called,
    count(*) FILTER (WHERE EXISTS (SELECT FROM care.appointment WHERE appointment.case_id = matter.case_id)) AS appointment,
    count(*) FILTER (
        WHERE EXISTS (SELECT FROM care.appointment WHERE appointment.case_id = matter.case_id AND state = 'arrived')
            OR EXISTS (SELECT FROM care.finding WHERE finding.case_id = matter.case_id)
    ) AS visit,
    count(*) FILTER (
        WHERE EXISTS (SELECT FROM care.finding WHERE finding.case_id = matter.case_id AND result = 'confirmed')
    ) AS confirmed
FROM care.case AS matter
WHERE opened_at >= %(since)s AND opened_at < %(until)s;
