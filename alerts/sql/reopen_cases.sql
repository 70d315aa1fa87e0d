-- Opens cases again that were closed as repaired a short while ago and were about what is seen of their car now: of each
-- car that has no open one the last repaired. What it was about and has not been seen since is settled.
WITH lead AS (
    SELECT * FROM unnest(%(vehicle_ids)s::bigint[], %(sources)s::text[], %(fault_modes)s::text[], %(seen_at)s::timestamptz[])
        AS lead (vehicle_id, source, fault_mode, seen_at)
),
back AS (
    SELECT DISTINCT ON (repaired.vehicle_id) repaired.case_id, repaired.closed_at
    FROM care.case AS repaired
    WHERE repaired.vehicle_id = ANY (%(vehicle_ids)s::bigint[])
        AND repaired.state = 'closed'
        AND repaired.outcome IN ('repaired', 'already_repaired')
        AND repaired.closed_at > %(closed_after)s
        AND NOT EXISTS (SELECT FROM care.case AS other WHERE other.vehicle_id = repaired.vehicle_id AND other.state = 'open')
        AND EXISTS (
            SELECT FROM care.lead AS known
            JOIN lead ON lead.fault_mode = known.fault_mode
                OR (lead.source = known.source AND coalesce(lead.fault_mode, known.fault_mode) IS NULL)
            WHERE known.case_id = repaired.case_id
                AND lead.vehicle_id = repaired.vehicle_id
                AND lead.seen_at > repaired.closed_at
        )
    ORDER BY repaired.vehicle_id, repaired.closed_at DESC, repaired.case_id DESC
),
settled AS (
    UPDATE care.lead AS known
    SET settled_at = back.closed_at
    FROM back
    WHERE known.case_id = back.case_id AND known.last_seen_at <= back.closed_at
)
UPDATE care.case AS known
SET state = 'open', closed_at = NULL, closed_by = NULL, outcome = NULL, reopened = reopened + 1
FROM back
WHERE known.case_id = back.case_id AND known.state = 'closed'
RETURNING known.case_id;
