-- The newest notice of charging of each car, of those that endanger nobody.
SELECT vehicle_id, max(last_seen_at) AS seen_at
FROM safety.safety_case
WHERE severity = 3 AND vehicle_id IS NOT NULL AND joined_to IS NULL AND last_seen_at > %(since)s
GROUP BY vehicle_id;
