-- Tasks that wait, the one due first at the top.
SELECT task_id, kind, case_id, vehicle_id, dealer_id, text, made_at, due_at, car.model, car.city
FROM care.task
LEFT JOIN telemetry.vehicle AS car USING (vehicle_id)
WHERE done_at IS NULL
    -- Who asked to be left alone meanwhile is reached by nobody.
    AND (kind <> 'no_receipt' OR NOT EXISTS (
        SELECT FROM pii.vehicle_identity AS identity
        JOIN pii.owner AS owner USING (owner_id)
        WHERE identity.vehicle_id = task.vehicle_id AND owner.do_not_call
    ))
    AND CASE WHEN %(dealer_id)s::text IS NULL THEN kind <> 'low_survey' ELSE dealer_id = %(dealer_id)s END
ORDER BY due_at, task_id
LIMIT %(limit)s;
