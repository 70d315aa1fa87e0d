-- Cars that are due: for a service by distance or time, since nobody has seen them, or for their yearly care.
-- A car that has an open case of a courtesy stays in it; one that was never here has nothing to be due after.
SELECT
    visit.vehicle_id,
    CASE
        WHEN visit.visited_at < %(dormant_before)s THEN 'dormant'
        WHEN state.odometer_km - visit.odometer_km >= %(service_km)s OR visit.visited_at < %(serviced_before)s THEN 'service'
        ELSE 'loyalty'
    END AS source
FROM (
    SELECT DISTINCT ON (vehicle_id) vehicle_id, visited_at, odometer_km
    FROM care.visit
    ORDER BY vehicle_id, visited_at DESC
) AS visit
LEFT JOIN telemetry.vehicle_state AS state USING (vehicle_id)
WHERE visit.visited_at < %(loyal_before)s
    OR state.odometer_km - visit.odometer_km >= %(service_km)s;
