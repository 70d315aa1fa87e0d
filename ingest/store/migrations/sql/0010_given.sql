-- Rollups of cars that have no readings here, as they were given: for simulated data. No refresh knows of them. A
-- column per signal follows from config/signals.toml; the views of the rollups show them with the others.
CREATE TABLE telemetry.rollup_hour_given (
    vehicle_id bigint NOT NULL,
    bucket timestamptz NOT NULL,
    received_on date NOT NULL,
    regime text NOT NULL,
    PRIMARY KEY (vehicle_id, bucket, received_on, regime)
);
CREATE TABLE telemetry.rollup_day_given (LIKE telemetry.rollup_hour_given INCLUDING ALL);
GRANT SELECT ON telemetry.rollup_hour_given, telemetry.rollup_day_given TO forewarn_models, forewarn_alerts;
