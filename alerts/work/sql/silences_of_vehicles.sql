-- What is silent now of some cars.
SELECT vehicle_id, fault_mode, begins_at, ends_at, reason, made_by
FROM care.silence
WHERE vehicle_id = ANY (%(vehicle_ids)s::bigint[]) AND begins_at <= %(now)s AND ends_at > %(now)s
ORDER BY silence_id;
