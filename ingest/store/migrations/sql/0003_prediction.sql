-- Schema prediction: what the models said, what came true.
CREATE TABLE prediction.run (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    outcome text CHECK (outcome IN ('done', 'failed')),
    detail jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE prediction.prediction (
    prediction_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id bigint NOT NULL REFERENCES prediction.run,
    vehicle_id bigint NOT NULL,
    fault_mode text NOT NULL,
    scored_at timestamptz NOT NULL,
    as_of timestamptz NOT NULL,
    probability real NOT NULL CHECK (probability BETWEEN 0 AND 1),
    threshold real NOT NULL CHECK (threshold BETWEEN 0 AND 1),
    model_version text NOT NULL,
    reasons jsonb NOT NULL DEFAULT '[]',
    UNIQUE (vehicle_id, fault_mode, as_of, model_version)
);
COMMENT ON COLUMN prediction.prediction.reasons IS
    'The signals that drove the score, strongest first: [{feature, signal, value, unit, usual, effect}]';
CREATE INDEX prediction_flagged ON prediction.prediction (scored_at) WHERE probability >= threshold;

-- What came true: a lamp that came on, or what a workshop found.
CREATE TABLE prediction.label (
    label_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id bigint NOT NULL,
    fault_mode text NOT NULL,
    occurred_at timestamptz NOT NULL,
    known_at timestamptz NOT NULL,
    source text NOT NULL CHECK (source IN ('lamp', 'finding')),
    confirmed boolean NOT NULL DEFAULT true,
    UNIQUE (vehicle_id, fault_mode, occurred_at, source)
);

GRANT USAGE ON SCHEMA prediction TO forewarn_models, forewarn_alerts, forewarn_schedule;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA prediction TO forewarn_models;
GRANT SELECT ON ALL TABLES IN SCHEMA prediction TO forewarn_alerts;
GRANT SELECT, INSERT, UPDATE ON prediction.run TO forewarn_alerts;
GRANT SELECT ON prediction.run TO forewarn_schedule;
