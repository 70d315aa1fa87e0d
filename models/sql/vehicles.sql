-- What every car is, as far as a model may know it.
SELECT vehicle_id, powertrain, model FROM telemetry.vehicle ORDER BY vehicle_id;
