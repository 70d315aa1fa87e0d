-- Which of these cars have readings, or had some that were rolled up.
SELECT car.vehicle_id
FROM unnest(%(vehicle_ids)s::bigint[]) AS car (vehicle_id)
WHERE EXISTS (SELECT FROM telemetry.vehicle_reading AS r WHERE r.vehicle_id = car.vehicle_id)
   OR EXISTS (SELECT FROM telemetry.rollup_day_1 AS r WHERE r.vehicle_id = car.vehicle_id)
ORDER BY 1;
