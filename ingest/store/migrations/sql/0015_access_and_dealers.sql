-- Who may use the pages and interfaces, what was looked at, and when dealers have time.
CREATE SCHEMA access;

CREATE TABLE access.account (
    account_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- In lower case: one person is not two accounts.
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{1,62}$'),
    role text NOT NULL CHECK (role IN ('agent', 'supervisor', 'safety', 'dealer')),
    dealer_id text REFERENCES care.dealer,
    password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    created_at timestamptz NOT NULL,
    -- Locked by a person, until a person unlocks it.
    locked_at timestamptz,
    -- Counted before a password is looked at, so that guesses at the same moment count too.
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    failed_at timestamptz,
    waits_until timestamptz,
    CHECK ((role = 'dealer') = (dealer_id IS NOT NULL))
);

-- What a browser holds is the token; here is only its SHA-256, of which nobody makes a token.
CREATE TABLE access.session (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    account_id bigint NOT NULL REFERENCES access.account ON DELETE CASCADE,
    opened_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > opened_at),
    revoked_at timestamptz
);
CREATE INDEX session_of_account ON access.session (account_id);

-- Keys of machines: 256 random bits, kept as their SHA-256. key_id is part of the key and shown in lists.
CREATE TABLE access.key (
    key_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    secret_hash bytea NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    dealer_id text REFERENCES care.dealer,
    created_at timestamptz NOT NULL,
    expires_at timestamptz CHECK (expires_at > created_at),
    used_at timestamptz,
    revoked_at timestamptz
);

-- What somebody did that somebody else may ask about. Rows are added and never changed.
CREATE TABLE audit.event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('account', 'key', 'command')),
    actor text NOT NULL,
    action text NOT NULL,
    case_id bigint,
    reason text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX event_of_case ON audit.event (case_id, at) WHERE case_id IS NOT NULL;
CREATE INDEX event_at ON audit.event (at);
COMMENT ON COLUMN audit.event.actor IS 'Name of the account, number of the key, or the system''s user at a command.';

GRANT USAGE ON SCHEMA access, audit TO forewarn_alerts;
GRANT SELECT, INSERT, UPDATE ON access.account, access.session, access.key TO forewarn_alerts;
GRANT DELETE ON access.session TO forewarn_alerts;
GRANT SELECT, INSERT ON audit.event TO forewarn_alerts;

ALTER TABLE care.dealer
    ADD COLUMN time_zone text NOT NULL DEFAULT 'Asia/Shanghai',
    ADD COLUMN country text NOT NULL DEFAULT 'CN' CHECK (country ~ '^[A-Z]{2}$'),
    ADD COLUMN hours text,
    ADD COLUMN places smallint CHECK (places BETWEEN 1 AND 200);
COMMENT ON COLUMN care.dealer.hours IS 'As alerts.opening_hours reads them; NULL: nobody told.';
COMMENT ON COLUMN care.dealer.places IS 'Cars taken in at once, in a slot; NULL: this dealer''s appointments are not kept here.';

-- Planar and inclusive: a search asks for a box and measures on the sphere what it finds.
CREATE INDEX dealer_place ON care.dealer USING gist (point(longitude, latitude)) WHERE admitted;

-- When a dealer can take cars in, and how many at once.
CREATE TABLE care.slot (
    slot_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dealer_id text NOT NULL REFERENCES care.dealer ON DELETE CASCADE,
    -- The dealer's calendar day, by which its book is read.
    day date NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    -- 0 closes a slot that was open.
    capacity smallint NOT NULL CHECK (capacity BETWEEN 0 AND 200),
    UNIQUE (dealer_id, starts_at),
    -- What slot_place refers to.
    UNIQUE (slot_id, capacity)
);
CREATE INDEX slot_of_day ON care.slot (dealer_id, day);

-- Places of a slot that are taken. The key gives a place to one car only; the capacity is carried along by the foreign
-- key, so that neither a booking past it nor a capacity lowered under what is booked can be written.
CREATE TABLE care.slot_place (
    slot_id bigint NOT NULL,
    place smallint NOT NULL CHECK (place >= 1),
    capacity smallint NOT NULL,
    case_id bigint NOT NULL REFERENCES care.case,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (slot_id, place),
    UNIQUE (slot_id, case_id),
    FOREIGN KEY (slot_id, capacity) REFERENCES care.slot (slot_id, capacity) ON UPDATE CASCADE,
    CHECK (place <= capacity)
);

GRANT SELECT, INSERT, UPDATE ON care.slot, care.slot_place TO forewarn_alerts;
GRANT DELETE ON care.slot, care.slot_place TO forewarn_alerts;
