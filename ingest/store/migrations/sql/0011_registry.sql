-- Which model scores and by whose decision; what challengers say in the shadow; what is not called; drift.

-- Append-only: the newest row of a fault mode names its champion, and a decision is undone by another one.
CREATE TABLE prediction.model_promotion (
    promotion_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fault_mode text NOT NULL,
    version text NOT NULL,
    replaced text,
    kind text NOT NULL CHECK (kind IN ('first', 'promotion', 'rollback')),
    decided_by text NOT NULL CHECK (btrim(decided_by) <> ''),
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    forced boolean NOT NULL DEFAULT false,
    gate jsonb NOT NULL DEFAULT '[]',
    decided_at timestamptz NOT NULL,
    -- The decision that was in force before: of two people who decide at once, the second is told.
    follows bigint REFERENCES prediction.model_promotion,
    UNIQUE NULLS NOT DISTINCT (fault_mode, follows)
);
COMMENT ON COLUMN prediction.model_promotion.replaced IS 'Version that scored until then; NULL: none.';
COMMENT ON COLUMN prediction.model_promotion.gate IS
    'What was compared: [{figure, champion, challenger, worse_by, tolerance, passed}]; [] where nothing was.';

CREATE FUNCTION prediction.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE restrict_violation USING MESSAGE = format('%s.%s is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME);
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON prediction.model_promotion
    FOR EACH ROW EXECUTE FUNCTION prediction.refuse_change();
CREATE TRIGGER append_only_as_a_whole BEFORE TRUNCATE ON prediction.model_promotion
    FOR EACH STATEMENT EXECUTE FUNCTION prediction.refuse_change();

-- Predictions of challengers. Of no use to alerts, which have no right to it: nobody is called for one.
CREATE TABLE prediction.shadow (
    run_id bigint NOT NULL REFERENCES prediction.run,
    vehicle_id bigint NOT NULL,
    fault_mode text NOT NULL,
    scored_at timestamptz NOT NULL,
    as_of timestamptz NOT NULL,
    probability real NOT NULL CHECK (probability BETWEEN 0 AND 1),
    threshold real NOT NULL CHECK (threshold BETWEEN 0 AND 1),
    model_version text NOT NULL,
    PRIMARY KEY (vehicle_id, fault_mode, as_of, model_version)
);

-- Flagged predictions for which nobody is called, so that lead time can be measured.
CREATE TABLE prediction.holdout (
    prediction_id bigint PRIMARY KEY REFERENCES prediction.prediction ON DELETE CASCADE
);

CREATE TABLE prediction.drift (
    run_id bigint NOT NULL REFERENCES prediction.run,
    as_of timestamptz NOT NULL,
    fault_mode text NOT NULL,
    model_version text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('input', 'score', 'calibration', 'precision')),
    subject text NOT NULL,
    value double precision NOT NULL,
    worst double precision,
    n bigint NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (run_id, fault_mode, model_version, kind, subject)
);
COMMENT ON COLUMN prediction.drift.subject IS 'Feature of an input; "" of the model as a whole.';
COMMENT ON COLUMN prediction.drift.worst IS 'A value above it is drift; NULL: not judged.';
COMMENT ON COLUMN prediction.drift.n IS 'Cars the value is of.';

-- Of a car that fell silent nobody knows whether its lamp came on.
CREATE VIEW telemetry.last_heard AS
SELECT vehicle_id, max(ts) AS heard_at
FROM (
    SELECT vehicle_id, ts FROM telemetry.vehicle_state
    UNION ALL
    SELECT vehicle_id, bucket FROM telemetry.rollup_day_given
) AS heard
GROUP BY vehicle_id;

-- What came of predictions is asked by the day they are of; rows come in nearly in that order.
CREATE INDEX prediction_as_of ON prediction.prediction USING brin (as_of);
CREATE INDEX shadow_as_of ON prediction.shadow USING brin (as_of);
CREATE INDEX prediction_flagged_as_of ON prediction.prediction (as_of) WHERE probability >= threshold;
CREATE INDEX run_newest ON prediction.run (job, started_at DESC);

GRANT SELECT, INSERT ON prediction.model_promotion, prediction.drift TO forewarn_models;
GRANT SELECT, INSERT, UPDATE ON prediction.shadow TO forewarn_models;
GRANT SELECT, INSERT, DELETE ON prediction.holdout TO forewarn_models;
GRANT SELECT ON prediction.holdout TO forewarn_alerts;
GRANT SELECT ON telemetry.last_heard TO forewarn_models;
GRANT INSERT, UPDATE ON prediction.run TO forewarn_schedule;
