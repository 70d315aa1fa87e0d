-- Of the cars whose owners had agreed to care: how many came to a workshop in a time, of those whose owner was called
-- before or in it and of the others.
SELECT invited, count(*) AS cars, count(*) FILTER (WHERE came) AS came
FROM (
    SELECT
        EXISTS (
            SELECT FROM care.case JOIN care.contact USING (case_id)
            WHERE care.case.vehicle_id = car.vehicle_id AND contact.began_at < %(until)s
        ) AS invited,
        EXISTS (
            SELECT FROM care.visit
            WHERE visit.vehicle_id = car.vehicle_id AND visited_at >= %(since)s AND visited_at < %(until)s
        ) AS came
    FROM telemetry.vehicle AS car
    WHERE EXISTS (
        SELECT FROM pii.consent_now WHERE consent_now.vehicle_id = car.vehicle_id AND purpose = 'care' AND granted
    )
) AS known
GROUP BY invited
ORDER BY invited DESC;
