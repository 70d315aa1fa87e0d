-- The rights on readings of charging stations, as the migrations gave them.
GRANT SELECT, INSERT, DELETE ON telemetry.charging_reading TO forewarn_ingest;
GRANT SELECT ON telemetry.charging_reading TO forewarn_models, forewarn_alerts;
