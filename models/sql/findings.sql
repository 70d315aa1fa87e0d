-- What workshops found of each car and fault, as far as it was known at an instant.
SELECT vehicle_id, fault_mode, known_at AS found_at, confirmed
FROM prediction.label
WHERE source = 'finding' AND known_at < %(known_before)s
ORDER BY known_at, label_id;
