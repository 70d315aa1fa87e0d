-- Cars that are due: for a service by distance or time, since nobody has seen them, or for their yearly care.
-- One that has an open case is told there; of the others, of those that may be called about, so many as there is room
-- for, the most pressing first: NULL is for all. One that was never here has nothing to be due after.
WITH due AS (
    SELECT
        visit.vehicle_id,
        visit.visited_at,
        CASE
            WHEN visit.visited_at < %(dormant_before)s THEN 'dormant'
            WHEN state.odometer_km - visit.odometer_km >= %(service_km)s OR visit.visited_at < %(serviced_before)s THEN 'service'
            ELSE 'loyalty'
        END AS source,
        EXISTS (SELECT FROM care.case WHERE care.case.vehicle_id = visit.vehicle_id AND care.case.state = 'open') AS has_case
    FROM (
        SELECT DISTINCT ON (vehicle_id) vehicle_id, visited_at, odometer_km
        FROM care.visit
        ORDER BY vehicle_id, visited_at DESC
    ) AS visit
    LEFT JOIN telemetry.vehicle_state AS state USING (vehicle_id)
    WHERE visit.visited_at < %(loyal_before)s
        OR state.odometer_km - visit.odometer_km >= %(service_km)s
)
SELECT vehicle_id, source FROM due WHERE has_case
UNION ALL
(
    SELECT due.vehicle_id, due.source
    FROM due
    JOIN pii.vehicle_identity AS identity USING (vehicle_id)
    JOIN pii.owner AS owner USING (owner_id)
    WHERE NOT due.has_case
        AND NOT owner.do_not_call
        AND (SELECT granted FROM pii.consent_now WHERE consent_now.vehicle_id = due.vehicle_id AND purpose = 'care')
        AND NOT EXISTS (
            SELECT FROM care.silence
            WHERE silence.vehicle_id = due.vehicle_id AND silence.fault_mode IS NULL
                AND silence.begins_at <= %(now)s AND silence.ends_at > %(now)s
        )
    ORDER BY array_position(ARRAY['service', 'dormant', 'loyalty'], due.source), due.visited_at, due.vehicle_id
    LIMIT %(room)s
);
