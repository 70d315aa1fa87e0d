-- For each lead whether it says more than a repair of that fault has settled since: what was seen before it is no news.
SELECT NOT EXISTS (
    SELECT FROM care.case AS repaired
    JOIN care.lead AS known USING (case_id)
    WHERE repaired.vehicle_id = lead.vehicle_id
        AND (
            known.settled_at >= lead.seen_at
            OR (repaired.outcome IN ('repaired', 'already_repaired') AND repaired.closed_at >= lead.seen_at)
        )
        AND (
            lead.fault_mode = known.fault_mode
            OR (lead.source = known.source AND coalesce(lead.fault_mode, known.fault_mode) IS NULL)
        )
)
FROM unnest(%(vehicle_ids)s::bigint[], %(sources)s::text[], %(fault_modes)s::text[], %(seen_at)s::timestamptz[])
    WITH ORDINALITY AS lead (vehicle_id, source, fault_mode, seen_at, nth)
ORDER BY nth;
