-- What charging stations and charging cars report. Its own tables: it never waits for bulk, and is kept for its own time.
CREATE TABLE telemetry.connector (
    connector_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator text NOT NULL,
    station text NOT NULL,
    connector text NOT NULL,
    UNIQUE (operator, station, connector)
);

-- A connector's measurements, named as OCPP names them. Columns are what rules and pages read; the rest is in extra.
CREATE TABLE telemetry.charging_reading (
    ts timestamptz NOT NULL,
    connector_id bigint NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL,
    session_id text,
    voltage_v real,
    current_a real,
    power_kw real,
    energy_kwh double precision,
    soc_pct real,
    gun_temp_c real,
    insulation_kohm real,
    extra jsonb,
    UNIQUE (connector_id, ts, seq)
);
CREATE INDEX charging_reading_received ON telemetry.charging_reading (received_at);

-- Charging signals of cars whose owners agree to safety but not to care: kept for 30 days and read by nothing else.
CREATE TABLE telemetry.safety_reading (
    ts timestamptz NOT NULL,
    vehicle_id bigint NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL,
    signals jsonb NOT NULL,
    UNIQUE (vehicle_id, ts, seq)
);
CREATE INDEX safety_reading_received ON telemetry.safety_reading (received_at);

-- What an operator's pile reports as abnormal. One row per id and state: on and off are two reports.
CREATE TABLE safety.anomaly (
    anomaly_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connector_id bigint NOT NULL REFERENCES telemetry.connector,
    alarm_id text NOT NULL,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    session_id text,
    vehicle_id bigint,
    code text NOT NULL,
    severity smallint NOT NULL CHECK (severity BETWEEN 1 AND 3),
    state text NOT NULL CHECK (state IN ('on', 'off')),
    remark text,
    measures jsonb NOT NULL DEFAULT '{}',
    UNIQUE (connector_id, alarm_id, state)
);

GRANT SELECT, INSERT, DELETE ON telemetry.charging_reading, telemetry.safety_reading TO forewarn_ingest;
GRANT SELECT, INSERT ON telemetry.connector TO forewarn_ingest;
GRANT SELECT ON telemetry.charging_reading, telemetry.connector TO forewarn_models, forewarn_alerts;
GRANT USAGE ON SCHEMA safety TO forewarn_ingest, forewarn_alerts;
GRANT SELECT, INSERT ON safety.anomaly TO forewarn_ingest;
GRANT SELECT ON safety.anomaly TO forewarn_alerts;
