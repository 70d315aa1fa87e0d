-- The rights on readings of cells, as the migrations gave them.
GRANT SELECT, INSERT ON telemetry.cell_reading TO forewarn_ingest;
GRANT SELECT ON telemetry.cell_reading TO forewarn_models, forewarn_alerts;
