-- Enrol copies of cars, as many as are asked for; those of one original are as many apart as there are originals.
WITH original AS (
    SELECT vehicle_id, row_number() OVER (ORDER BY vehicle_id) - 1 AS place, count(*) OVER () AS originals
    FROM telemetry.vehicle
),
copied AS (
    INSERT INTO telemetry.vehicle (model, powertrain, chemistry, cells, city)
    SELECT vehicle.model, vehicle.powertrain, vehicle.chemistry, vehicle.cells, vehicle.city
    FROM generate_series(0, %(copies)s - 1) AS number
    JOIN original ON original.place = number %% original.originals
    JOIN telemetry.vehicle AS vehicle USING (vehicle_id)
    ORDER BY number
    RETURNING vehicle_id
)
SELECT min(vehicle_id), max(vehicle_id) FROM copied;
