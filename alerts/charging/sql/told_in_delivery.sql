-- What a message was about, for the page on which its reader confirms it.
SELECT known.kind, known.operator, known.station, owner.language, delivery.receipt_at
FROM safety.delivery
JOIN safety.safety_case AS known USING (case_id)
LEFT JOIN pii.vehicle_identity AS identity USING (vehicle_id)
LEFT JOIN pii.owner AS owner USING (owner_id)
WHERE delivery.delivery_id = %(delivery_id)s AND delivery.recipient = 'owner';
