-- Takes one rung that is due, of whichever case, so that no other process does; with how far people are with the case.
SELECT
    rung.case_id,
    rung.step,
    rung.round,
    rung.due_at,
    known.severity,
    known.kind,
    known.operator,
    known.station,
    known.connector,
    identity.vin,
    EXISTS (
        SELECT FROM safety.delivery
        WHERE delivery.case_id = rung.case_id AND recipient = 'owner' AND accepted
    ) AS told,
    EXISTS (
        SELECT FROM safety.delivery
        WHERE delivery.case_id = rung.case_id AND recipient = 'owner' AND receipt_at IS NOT NULL
    ) AS receipt,
    coalesce(handling.acknowledged_at IS NOT NULL, false) AS taken,
    coalesce(handling.closed_at IS NOT NULL, false) OR EXISTS (
        -- Another process opened a case for the same car before, and it is no less bad: that one's ladder is climbed.
        SELECT FROM safety.safety_case AS first
        WHERE first.case_id = known.joined_to AND first.severity <= known.severity
    ) AS closed
FROM safety.rung
JOIN safety.safety_case AS known USING (case_id)
LEFT JOIN safety.case_handling AS handling USING (case_id)
LEFT JOIN pii.vehicle_identity AS identity USING (vehicle_id)
WHERE rung.done_at IS NULL AND rung.due_at <= %(now)s
ORDER BY rung.due_at
LIMIT 1
FOR UPDATE OF rung SKIP LOCKED;
