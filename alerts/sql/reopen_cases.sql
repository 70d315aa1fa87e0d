-- Opens cases again that were closed as repaired a short while ago, the newest of each car that has no open one.
UPDATE care.case AS known
SET state = 'open', closed_at = NULL, closed_by = NULL, outcome = NULL, reopened = reopened + 1
WHERE case_id IN (
    SELECT DISTINCT ON (vehicle_id) case_id
    FROM care.case
    WHERE vehicle_id = ANY (%(vehicle_ids)s::bigint[])
    ORDER BY vehicle_id, case_id DESC
)
    AND state = 'closed'
    AND outcome IN ('repaired', 'already_repaired')
    AND closed_at > %(closed_after)s
RETURNING case_id;
