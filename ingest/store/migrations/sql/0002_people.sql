-- Schema pii: everything that says who. Ingest reads identity and consent, alerts all, models nothing.
CREATE TABLE pii.owner (
    owner_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    language text NOT NULL DEFAULT 'zh_CN' CHECK (language IN ('zh_CN', 'en')),
    time_zone text NOT NULL DEFAULT 'Asia/Shanghai',
    home_latitude double precision CHECK (home_latitude BETWEEN -90 AND 90),
    home_longitude double precision CHECK (home_longitude BETWEEN -180 AND 180),
    do_not_call boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN pii.owner.home_latitude IS 'WGS-84; converted from GCJ-02 or BD-09 before it gets here.';

CREATE TABLE pii.contact (
    contact_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id bigint NOT NULL REFERENCES pii.owner ON DELETE CASCADE,
    channel text NOT NULL CHECK (channel IN ('phone', 'email', 'app')),
    address text NOT NULL,
    UNIQUE (owner_id, channel, address)
);

CREATE TABLE pii.vehicle_identity (
    vehicle_id bigint PRIMARY KEY REFERENCES telemetry.vehicle ON DELETE CASCADE,
    vin text NOT NULL UNIQUE CHECK (vin ~ '^[A-HJ-NPR-Z0-9]{17}$'),
    owner_id bigint REFERENCES pii.owner ON DELETE SET NULL
);

-- Append-only: the newest row of a purpose is the owner's choice now.
CREATE TABLE pii.consent (
    consent_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id bigint NOT NULL REFERENCES telemetry.vehicle ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN ('care', 'marketing', 'safety')),
    granted boolean NOT NULL,
    policy_version text NOT NULL,
    source text NOT NULL,
    chosen_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (vehicle_id, purpose, chosen_at, granted)
);

CREATE VIEW pii.consent_now AS
SELECT DISTINCT ON (vehicle_id, purpose) vehicle_id, purpose, granted, policy_version, chosen_at
FROM pii.consent
ORDER BY vehicle_id, purpose, chosen_at DESC, consent_id DESC;

-- Where the car was last parked: one row a car, no track.
CREATE TABLE pii.position (
    vehicle_id bigint PRIMARY KEY REFERENCES telemetry.vehicle ON DELETE CASCADE,
    parked_at timestamptz NOT NULL,
    latitude double precision NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude double precision NOT NULL CHECK (longitude BETWEEN -180 AND 180)
);

-- What could not be stored, with its reason and bytes: it holds topics (VINs) and payloads, so it lives here.
CREATE TABLE pii.dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    topic text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    payload bytea NOT NULL,
    samples integer NOT NULL DEFAULT 1,
    epoch uuid NOT NULL,
    replayed_at timestamptz,
    -- A recording of years ago is received then: how long a letter is kept counts from here.
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letter_recorded ON pii.dead_letter (recorded_at);

GRANT USAGE ON SCHEMA pii TO forewarn_ingest, forewarn_alerts;
GRANT SELECT ON pii.vehicle_identity, pii.consent, pii.consent_now TO forewarn_ingest;
GRANT INSERT ON pii.consent TO forewarn_ingest;
GRANT SELECT, INSERT, UPDATE ON pii.position TO forewarn_ingest;
GRANT SELECT, INSERT, DELETE, UPDATE (replayed_at) ON pii.dead_letter TO forewarn_ingest;
GRANT SELECT ON ALL TABLES IN SCHEMA pii TO forewarn_alerts;
REVOKE SELECT ON pii.dead_letter FROM forewarn_alerts;
