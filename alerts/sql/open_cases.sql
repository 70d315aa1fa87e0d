-- Opens a case for every car that has no open one; answers the new ones.
INSERT INTO care.case (vehicle_id, opened_at)
SELECT vehicle_id, %(opened_at)s
FROM unnest(%(vehicle_ids)s::bigint[]) AS vehicle_id
ORDER BY vehicle_id
ON CONFLICT (vehicle_id) WHERE state = 'open' DO NOTHING
RETURNING case_id;
