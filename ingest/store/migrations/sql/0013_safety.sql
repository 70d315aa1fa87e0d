-- Schema safety: dangers while charging. Ids follow from the danger (alerts.charging.anomaly), so whatever is written
-- twice, after a restart or by two processes, is one row. No VIN is in here: vehicle_id is NULL for a car nobody enrolled.

-- What sightings say of a case. What people did with it is in case_handling: neither overwrites the other.
CREATE TABLE safety.safety_case (
    case_id uuid PRIMARY KEY,
    opened_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    operator text,
    station text,
    connector text,
    session_id text,
    vehicle_id bigint,
    kind text NOT NULL,
    severity smallint NOT NULL CHECK (severity BETWEEN 1 AND 3),
    joined_to uuid REFERENCES safety.safety_case,
    CHECK (joined_to <> case_id)
);
COMMENT ON COLUMN safety.safety_case.joined_to IS 'Another process opened one for the same car before: it is shown there.';
CREATE INDEX safety_case_opened ON safety.safety_case (opened_at);
CREATE INDEX safety_case_vehicle ON safety.safety_case (vehicle_id) WHERE vehicle_id IS NOT NULL;
CREATE INDEX safety_case_place ON safety.safety_case (operator, station) WHERE operator IS NOT NULL;

CREATE TABLE safety.case_handling (
    case_id uuid PRIMARY KEY REFERENCES safety.safety_case ON DELETE CASCADE,
    acknowledged_at timestamptz,
    acknowledged_by text,
    closed_at timestamptz,
    closed_by text,
    outcome text,
    note text,
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)),
    CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);

-- One row a report: an anomaly that gets worse or goes off has several, by its danger_id.
CREATE TABLE safety.sighting (
    report_id uuid PRIMARY KEY,
    danger_id uuid NOT NULL,
    case_id uuid REFERENCES safety.safety_case ON DELETE CASCADE,
    source text NOT NULL CHECK (source IN ('car', 'pile', 'partner', 'forewarn')),
    channel text NOT NULL,
    source_id text,
    operator text,
    station text,
    connector text,
    session_id text,
    vehicle_id bigint,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    code text NOT NULL,
    kind text NOT NULL,
    severity smallint NOT NULL CHECK (severity BETWEEN 1 AND 3),
    state text NOT NULL CHECK (state IN ('on', 'off')),
    remark text,
    measures jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX sighting_case ON safety.sighting (case_id, received_at);
CREATE INDEX sighting_danger ON safety.sighting (danger_id);
CREATE INDEX sighting_operator ON safety.sighting (operator, received_at) WHERE operator IS NOT NULL;

-- A request to stop: who or what decided, and how far it came. Each step stays in action_step.
CREATE TABLE safety.action (
    action_id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES safety.safety_case ON DELETE CASCADE,
    danger_id uuid NOT NULL,
    target text NOT NULL CHECK (target IN ('pile', 'car')),
    policy text NOT NULL CHECK (policy IN ('stop', 'ask')),
    decided_at timestamptz NOT NULL,
    decided_by text NOT NULL,
    state text NOT NULL CHECK (
        state IN ('asked', 'decided', 'sent', 'accepted', 'failed', 'confirmed', 'refused', 'unconfirmed', 'expired')
    ),
    state_at timestamptz NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    detail text NOT NULL DEFAULT '',
    request jsonb NOT NULL
);
COMMENT ON COLUMN safety.action.decided_by IS 'policy, or the person who was asked; empty while nobody has decided.';
CREATE INDEX action_case ON safety.action (case_id);
CREATE TABLE safety.action_step (
    action_id uuid NOT NULL REFERENCES safety.action ON DELETE CASCADE,
    at timestamptz NOT NULL,
    state text NOT NULL,
    attempt smallint NOT NULL,
    detail text NOT NULL DEFAULT '',
    by text NOT NULL DEFAULT '',
    PRIMARY KEY (action_id, at, state)
);

-- A message to a person. It counts when it was received: receipt_at, by the person's own doing.
CREATE TABLE safety.delivery (
    delivery_id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES safety.safety_case ON DELETE CASCADE,
    recipient text NOT NULL CHECK (recipient IN ('owner', 'supervisor')),
    channel text NOT NULL,
    contact_id bigint,
    round smallint NOT NULL,
    sent_at timestamptz NOT NULL,
    accepted boolean NOT NULL,
    detail text NOT NULL DEFAULT '',
    receipt_at timestamptz,
    receipt_by text
);
CREATE INDEX delivery_case ON safety.delivery (case_id, sent_at);

-- What a person has to do, with the time by which.
CREATE TABLE safety.task (
    task_id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES safety.safety_case ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('call_owner', 'stop_by_phone', 'decide_stop', 'send_specialist')),
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    detail text NOT NULL DEFAULT '',
    done_at timestamptz,
    done_by text,
    result text,
    CHECK ((done_at IS NULL) = (done_by IS NULL))
);
CREATE INDEX task_open ON safety.task (due_at) WHERE done_at IS NULL;
CREATE INDEX task_case ON safety.task (case_id);

-- The escalation ladder: what happens when, unless it has become needless. In the database, so that a restart resumes it.
CREATE TABLE safety.rung (
    case_id uuid NOT NULL REFERENCES safety.safety_case ON DELETE CASCADE,
    step text NOT NULL CHECK (step IN ('remind_owner', 'call_owner', 'tell_supervisor', 'send_specialist')),
    round smallint NOT NULL,
    due_at timestamptz NOT NULL,
    done_at timestamptz,
    outcome text,
    PRIMARY KEY (case_id, step, round)
);
CREATE INDEX rung_due ON safety.rung (due_at) WHERE done_at IS NULL;

-- Pages that show cases hear of changes instead of asking for them.
CREATE FUNCTION safety.tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('forewarn_safety', '');
    RETURN NULL;
END
$$;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['safety_case', 'case_handling', 'sighting', 'action', 'delivery', 'task'] LOOP
        EXECUTE format(
            'CREATE TRIGGER tell_change AFTER INSERT OR UPDATE ON safety.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION safety.tell_change()', name);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE ON safety.safety_case, safety.case_handling, safety.sighting, safety.action,
    safety.action_step, safety.delivery, safety.task, safety.rung TO forewarn_alerts;
