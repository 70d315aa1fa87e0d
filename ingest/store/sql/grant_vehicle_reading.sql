-- The rights on readings of cars, as the migrations gave them.
GRANT SELECT, INSERT, UPDATE (quality) ON telemetry.vehicle_reading TO forewarn_ingest;
GRANT SELECT ON telemetry.vehicle_reading TO forewarn_models, forewarn_alerts;
