-- Give copies what their originals have of some days.
INSERT INTO telemetry.rollup_day_given (vehicle_id, bucket, received_on, regime, {columns})
SELECT copied.vehicle_id, rollup.bucket, rollup.received_on, rollup.regime, {values}
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS copied (vehicle_id)
JOIN (
    SELECT vehicle_id, row_number() OVER (ORDER BY vehicle_id) - 1 AS place
    FROM telemetry.vehicle ORDER BY vehicle_id LIMIT %(originals)s
) AS original ON original.place = (copied.vehicle_id - %(begin)s) %% %(originals)s
JOIN telemetry.rollup_day_given AS rollup ON rollup.vehicle_id = original.vehicle_id
WHERE rollup.bucket >= %(since)s AND rollup.bucket < %(until)s;
