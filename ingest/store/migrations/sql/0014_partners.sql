-- Charging operators: who they are, their keys, what they sent, and which car is on which of their piles.

CREATE TABLE safety.partner (
    partner_id text PRIMARY KEY CHECK (partner_id ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    name text NOT NULL,
    -- Of its stations, those it may speak for: shell patterns.
    stations text[] NOT NULL DEFAULT '{*}' CHECK (cardinality(stations) > 0),
    -- Whether a pile is stopped at once or a person is asked first.
    policy text NOT NULL DEFAULT 'stop' CHECK (policy IN ('stop', 'ask')),
    -- How its piles are asked to stop, and where.
    stop_by text CHECK (stop_by IN ('webhook', 'tcec102', 'ocpi')),
    stop_url text,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CHECK ((stop_by IS NULL) = (stop_url IS NULL))
);

-- One partner speaks for an operator: whose station it is, is no question.
CREATE TABLE safety.partner_operator (
    operator text PRIMARY KEY CHECK (operator <> ''),
    partner_id text NOT NULL REFERENCES safety.partner
);
CREATE INDEX partner_operator_partner ON safety.partner_operator (partner_id);

CREATE TABLE safety.partner_key (
    key_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partner_id text NOT NULL REFERENCES safety.partner,
    -- What the key is for: it opens nothing else.
    kind text NOT NULL CHECK (kind IN ('webhook', 'tcec102', 'ocpi', 'read', 'tcec102_out', 'ocpi_out')),
    -- AES-256-GCM under a master key that is not in the database; of what is only compared, SHA-256.
    sealed bytea,
    digest bytea UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    CHECK ((sealed IS NULL) <> (digest IS NULL))
);
CREATE INDEX partner_key_partner ON safety.partner_key (partner_id);

-- Messages that were taken, so that none is taken twice. Kept a few days.
CREATE TABLE safety.partner_message (
    partner_id text NOT NULL,
    channel text NOT NULL,
    message_id text NOT NULL,
    -- SHA-256 of what was said; the newest time it was said at, by the partner's clock.
    digest bytea NOT NULL,
    sent_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (partner_id, channel, message_id)
);
CREATE INDEX partner_message_received ON safety.partner_message (received_at);

-- Which car is on which pile. The car is who the operator says it is; proof is what the car itself says to that.
CREATE TABLE telemetry.charging_session (
    charging_session_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator text NOT NULL,
    station text,
    connector text,
    session_id text NOT NULL,
    vehicle_id bigint,
    state text NOT NULL CHECK (state IN ('starting', 'charging', 'ended', 'failed')),
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    reason text,
    -- 'start': car and pile began within a minute of each other. NULL: nothing but the operator's word.
    proof text CHECK (proof IN ('start')),
    proved_at timestamptz,
    -- By the operator's clock: what is older changes nothing.
    said_at timestamptz NOT NULL,
    -- When we first heard of it: a start that is told long after it proves nothing.
    received_at timestamptz NOT NULL,
    channel text NOT NULL,
    UNIQUE (operator, session_id),
    CHECK ((proof IS NULL) = (proved_at IS NULL))
);
CREATE INDEX charging_session_open ON telemetry.charging_session (operator) WHERE state IN ('starting', 'charging');
CREATE INDEX charging_session_vehicle ON telemetry.charging_session (vehicle_id) WHERE state IN ('starting', 'charging');
CREATE INDEX charging_session_received ON telemetry.charging_session (received_at);

GRANT SELECT ON safety.partner, safety.partner_operator, safety.partner_key TO forewarn_alerts;
GRANT SELECT, INSERT, UPDATE, DELETE ON safety.partner_message TO forewarn_alerts;
GRANT SELECT, INSERT, UPDATE ON telemetry.charging_session TO forewarn_alerts;
-- Cars whose owners agree to safety alone: a partner reads the one on its pile, for the safety that was agreed to.
GRANT SELECT ON telemetry.safety_reading TO forewarn_alerts;
