-- Tasks that wait, the one due first at the top.
SELECT task_id, kind, case_id, vehicle_id, dealer_id, text, made_at, due_at, car.model, car.city
FROM care.task
LEFT JOIN telemetry.vehicle AS car USING (vehicle_id)
WHERE done_at IS NULL
    AND CASE WHEN %(dealer_id)s::text IS NULL THEN kind <> 'low_survey' ELSE dealer_id = %(dealer_id)s END
ORDER BY due_at, task_id
LIMIT %(limit)s;
