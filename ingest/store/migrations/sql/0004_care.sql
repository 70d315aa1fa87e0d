-- Schema care: people who call people. One car has at most one open case.
CREATE TABLE care.dealer (
    dealer_id text PRIMARY KEY,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    city text NOT NULL,
    brand text NOT NULL,
    latitude double precision NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude double precision NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    capabilities text[] NOT NULL DEFAULT '{general}',
    admitted boolean NOT NULL DEFAULT true,
    phone text NOT NULL
);

CREATE TABLE care.case (
    case_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id bigint NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);
CREATE UNIQUE INDEX case_one_open_per_vehicle ON care.case (vehicle_id) WHERE state = 'open';

-- Why the case exists. Signals write here and never into what a person wrote.
CREATE TABLE care.lead (
    lead_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id bigint NOT NULL REFERENCES care.case,
    source text NOT NULL CHECK (source IN ('prediction', 'lamp', 'anomaly', 'service', 'loyalty')),
    fault_mode text,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    probability real CHECK (probability BETWEEN 0 AND 1),
    severity smallint NOT NULL CHECK (severity BETWEEN 1 AND 3),
    prediction_id bigint,
    model_version text,
    reasons jsonb NOT NULL DEFAULT '[]',
    UNIQUE NULLS NOT DISTINCT (case_id, source, fault_mode)
);

-- Where the case stands on the list, by signals alone.
CREATE TABLE care.case_priority (
    case_id bigint PRIMARY KEY REFERENCES care.case,
    priority integer NOT NULL,
    why jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL
);
CREATE INDEX case_priority_order ON care.case_priority (priority DESC, case_id);

CREATE TABLE care.offer (
    offer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id bigint NOT NULL REFERENCES care.case,
    campaign text NOT NULL,
    dealer_id text NOT NULL REFERENCES care.dealer,
    distance_km double precision NOT NULL CHECK (distance_km >= 0),
    offered_at timestamptz NOT NULL,
    UNIQUE (case_id, campaign)
);

CREATE TABLE care.coupon (
    coupon_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    offer_id bigint NOT NULL UNIQUE REFERENCES care.offer,
    code text NOT NULL UNIQUE,
    percent_off smallint CHECK (percent_off BETWEEN 1 AND 100),
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL CHECK (valid_until > valid_from),
    redeemed_at timestamptz,
    redeemed_by text
);

GRANT USAGE ON SCHEMA care TO forewarn_alerts;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA care TO forewarn_alerts;
GRANT DELETE ON care.dealer TO forewarn_alerts;
