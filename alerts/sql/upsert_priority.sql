-- Writes where one case stands.
INSERT INTO care.case_priority (case_id, priority, why, updated_at, tie)
VALUES (
    %(case_id)s, %(priority)s, %(why)s, %(updated_at)s,
    coalesce(
        (
            SELECT owner.grade
            FROM care.case
            JOIN pii.vehicle_identity AS identity USING (vehicle_id)
            JOIN pii.owner AS owner USING (owner_id)
            WHERE care.case.case_id = %(case_id)s
        ),
        'B'
    )
)
ON CONFLICT (case_id) DO UPDATE SET
    priority = excluded.priority,
    why = excluded.why,
    updated_at = excluded.updated_at,
    tie = excluded.tie;
