-- A case that comes back after a repair keeps what was repaired, as its history: nobody is called about that again.
ALTER TABLE care.lead ADD COLUMN settled_at timestamptz;
COMMENT ON COLUMN care.lead.settled_at IS 'When its case was closed as repaired; NULL once a signal has given it again.';
CREATE INDEX case_of_vehicle ON care.case (vehicle_id);

UPDATE care.lead
SET settled_at = repair.at
FROM (
    SELECT closed.case_id, max(closed.at) AS at
    FROM care.entry AS closed
    JOIN care.entry AS back ON back.case_id = closed.case_id AND back.kind = 'reopened' AND back.entry_id > closed.entry_id
    WHERE closed.kind = 'closed'
    GROUP BY closed.case_id
) AS repair
WHERE repair.case_id = lead.case_id AND lead.last_seen_at <= repair.at
    -- What came back without having been seen since is all that its case stands by.
    AND EXISTS (SELECT FROM care.lead AS later WHERE later.case_id = lead.case_id AND later.last_seen_at > repair.at);
