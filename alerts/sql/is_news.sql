-- For each lead whether it says more than a repair of that fault has settled since: what was seen before it is no news, nor
-- what models say of it in the days after, when most of the readings they look at are from before.
SELECT NOT EXISTS (
    SELECT FROM care.case AS repaired
    JOIN care.lead AS known USING (case_id)
    WHERE repaired.vehicle_id = lead.vehicle_id
        AND (
            known.settled_at >= lead.known_at
            OR (repaired.outcome IN ('repaired', 'already_repaired') AND repaired.closed_at >= lead.known_at)
        )
        AND (
            lead.fault_mode = known.fault_mode
            OR (lead.source = known.source AND coalesce(lead.fault_mode, known.fault_mode) IS NULL)
        )
)
FROM (
    SELECT *, seen_at - CASE source WHEN 'prediction' THEN make_interval(days => %(settle_d)s) ELSE interval '0' END AS known_at
    FROM unnest(%(vehicle_ids)s::bigint[], %(sources)s::text[], %(fault_modes)s::text[], %(seen_at)s::timestamptz[])
        WITH ORDINALITY AS given (vehicle_id, source, fault_mode, seen_at, nth)
) AS lead
ORDER BY nth;
