-- What people do about cases. Signals write into case, lead and case_priority, people into what is here: neither
-- overwrites the other.

-- Whom a person may take calls for.
ALTER TABLE access.account
    ADD COLUMN languages text[] NOT NULL DEFAULT '{zh_CN,en}',
    ADD COLUMN skills text[];
COMMENT ON COLUMN access.account.skills IS 'Capabilities, as config/faults.toml names them, that it talks about; NULL: all.';

ALTER TABLE care.lead DROP CONSTRAINT lead_source_check;
ALTER TABLE care.lead
    ADD CONSTRAINT lead_source_check CHECK (source IN ('prediction', 'lamp', 'anomaly', 'service', 'dormant', 'loyalty')),
    -- Another lead of the case explains it: it is kept and not spoken of.
    ADD COLUMN explained_by text;

ALTER TABLE care.case
    ADD COLUMN outcome text,
    ADD COLUMN closed_by text,
    ADD COLUMN reopened integer NOT NULL DEFAULT 0,
    ADD CHECK (state = 'closed' OR outcome IS NULL);

CREATE TABLE care.case_work (
    case_id bigint PRIMARY KEY REFERENCES care.case,
    claimed_by bigint REFERENCES access.account (account_id),
    claimed_until timestamptz,
    -- Not on the list before: a call-back that was promised, a pause after nobody answered, an appointment.
    not_before timestamptz,
    call_back boolean NOT NULL DEFAULT false,
    unanswered integer NOT NULL DEFAULT 0,
    CHECK ((claimed_by IS NULL) = (claimed_until IS NULL))
);
CREATE UNIQUE INDEX case_work_claims ON care.case_work (claimed_by, case_id) WHERE claimed_by IS NOT NULL;
CREATE INDEX case_work_call_backs ON care.case_work (not_before) WHERE call_back;

-- Promises with a time: when the clock began, until when it is to be met, when it was.
CREATE TABLE care.clock (
    clock_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id bigint NOT NULL REFERENCES care.case,
    kind text NOT NULL CHECK (kind IN ('answer', 'complaint', 'close')),
    began_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL CHECK (due_at > began_at),
    met_at timestamptz
);
CREATE UNIQUE INDEX clock_runs_once ON care.clock (case_id, kind) WHERE met_at IS NULL;
CREATE INDEX clock_due ON care.clock (due_at) WHERE met_at IS NULL;
CREATE INDEX clock_began ON care.clock (began_at);

-- One attempt to reach an owner. Until it has a disposition its agent takes no other case.
CREATE TABLE care.contact (
    contact_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id bigint NOT NULL REFERENCES care.case,
    owner_id bigint,
    account_id bigint NOT NULL REFERENCES access.account,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    disposition text,
    note text NOT NULL DEFAULT '',
    call_back_at timestamptz,
    CHECK ((ended_at IS NULL) = (disposition IS NULL))
);
CREATE UNIQUE INDEX contact_unfinished ON care.contact (account_id) WHERE disposition IS NULL;
CREATE INDEX contact_of_owner ON care.contact (owner_id, began_at);
CREATE INDEX contact_of_case ON care.contact (case_id, began_at);
CREATE INDEX contact_began ON care.contact (began_at);

-- What happened to a case, in order: added to, never changed.
CREATE TABLE care.entry (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id bigint NOT NULL REFERENCES care.case,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    kind text NOT NULL,
    text text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX entry_of_case ON care.entry (case_id, entry_id);

-- Nobody is called for it: of one car, one fault mode of it or all, until an end, for a reason.
CREATE TABLE care.silence (
    silence_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id bigint NOT NULL,
    fault_mode text,
    begins_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > begins_at),
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    made_by text NOT NULL
);
CREATE INDEX silence_of_vehicle ON care.silence (vehicle_id, ends_at);

-- A visit that was agreed. A slot's place is care.slot_place; a dealer that keeps no book here has none.
CREATE TABLE care.appointment (
    appointment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id bigint NOT NULL REFERENCES care.case,
    dealer_id text NOT NULL REFERENCES care.dealer,
    slot_id bigint REFERENCES care.slot,
    starts_at timestamptz NOT NULL,
    way text NOT NULL DEFAULT 'drive' CHECK (way IN ('drive', 'pick_up', 'tow')),
    state text NOT NULL DEFAULT 'booked' CHECK (state IN ('booked', 'arrived', 'no_show', 'cancelled')),
    booked_at timestamptz NOT NULL,
    booked_by text NOT NULL,
    ended_at timestamptz,
    reminded_at timestamptz,
    CHECK ((state = 'booked') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX appointment_one_booked ON care.appointment (case_id) WHERE state = 'booked';
CREATE INDEX appointment_of_dealer ON care.appointment (dealer_id, starts_at);
CREATE INDEX appointment_booked ON care.appointment (starts_at) WHERE state = 'booked';
CREATE INDEX appointment_of_case ON care.appointment (case_id);

-- What the workshop saw; a repeat of the same report is the same finding.
CREATE TABLE care.finding (
    finding_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id bigint NOT NULL REFERENCES care.case,
    dealer_id text NOT NULL REFERENCES care.dealer,
    result text NOT NULL CHECK (result IN ('confirmed', 'other', 'nothing')),
    fault_mode text,
    parts text[] NOT NULL DEFAULT '{}',
    odometer_km double precision CHECK (odometer_km >= 0),
    note text NOT NULL DEFAULT '',
    found_at timestamptz NOT NULL,
    reported_at timestamptz NOT NULL,
    reported_by text NOT NULL,
    request_id text,
    CHECK ((result = 'nothing') = (fault_mode IS NULL)),
    UNIQUE (dealer_id, request_id)
);
CREATE INDEX finding_of_case ON care.finding (case_id);
CREATE INDEX finding_found ON care.finding (found_at);

-- Something a person has to do until a time.
CREATE TABLE care.task (
    task_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('tow', 'pick_up', 'power', 'help', 'low_survey', 'wrong_number', 'no_receipt')),
    case_id bigint REFERENCES care.case,
    vehicle_id bigint,
    dealer_id text REFERENCES care.dealer,
    text text NOT NULL DEFAULT '',
    made_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    done_at timestamptz,
    done_by text,
    result text,
    -- What it was made of: the same event makes no second task.
    source text UNIQUE,
    CHECK ((done_at IS NULL) = (done_by IS NULL))
);
CREATE INDEX task_open ON care.task (due_at) WHERE done_at IS NULL;
CREATE INDEX task_of_vehicle ON care.task (vehicle_id) WHERE done_at IS NULL;

-- Asked after a visit, whatever gift there was. The token is what the link holds.
CREATE TABLE care.survey (
    survey_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id bigint NOT NULL UNIQUE REFERENCES care.case,
    dealer_id text NOT NULL REFERENCES care.dealer,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    asked_at timestamptz NOT NULL,
    answered_at timestamptz,
    score smallint CHECK (score BETWEEN 1 AND 5),
    note text NOT NULL DEFAULT '',
    CHECK ((answered_at IS NULL) = (score IS NULL))
);

-- Text to an owner. It counts when its receipt arrives; without one the next channel is tried.
CREATE TABLE care.message (
    message_id uuid PRIMARY KEY,
    case_id bigint NOT NULL REFERENCES care.case,
    kind text NOT NULL CHECK (kind IN ('offer', 'appointment', 'reminder', 'survey')),
    language text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    link text,
    made_at timestamptz NOT NULL,
    next_at timestamptz,
    tried integer NOT NULL DEFAULT 0,
    receipt_at timestamptz,
    given_up_at timestamptz
);
CREATE INDEX message_due ON care.message (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX message_of_case ON care.message (case_id, made_at);

CREATE TABLE care.message_try (
    message_id uuid NOT NULL REFERENCES care.message ON DELETE CASCADE,
    nth integer NOT NULL,
    channel text NOT NULL,
    at timestamptz NOT NULL,
    taken boolean NOT NULL,
    reason text,
    PRIMARY KEY (message_id, nth)
);

-- What an owner opens without an account: the offer of a case, by a token that only the message holds.
ALTER TABLE care.offer ADD COLUMN link_hash bytea UNIQUE CHECK (length(link_hash) = 32);

-- Each redemption and each taking back, with the request that asked for it: asked again, it answers the same.
CREATE TABLE care.redemption (
    redemption_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    coupon_id bigint NOT NULL REFERENCES care.coupon,
    dealer_id text NOT NULL REFERENCES care.dealer,
    request_id text NOT NULL CHECK (request_id <> ''),
    action text NOT NULL CHECK (action IN ('redeem', 'roll_back')),
    at timestamptz NOT NULL,
    by_whom text NOT NULL,
    bearer text,
    reason text,
    UNIQUE (dealer_id, request_id)
);
CREATE INDEX redemption_of_coupon ON care.redemption (coupon_id, redemption_id);
ALTER TABLE care.coupon
    ADD COLUMN issuer text NOT NULL DEFAULT 'Forewarn',
    ADD COLUMN yuan_off integer CHECK (yuan_off > 0),
    ADD COLUMN most_yuan integer CHECK (most_yuan > 0),
    -- A driver whom the owner named may carry it.
    ADD COLUMN driver text;

-- When a car was last looked after, for what is due next.
CREATE TABLE care.visit (
    visit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id bigint NOT NULL,
    visited_at timestamptz NOT NULL,
    odometer_km double precision CHECK (odometer_km >= 0),
    dealer_id text REFERENCES care.dealer,
    service boolean NOT NULL DEFAULT true,
    UNIQUE (vehicle_id, visited_at)
);

-- A, B or C: breaks ties, nothing else.
ALTER TABLE pii.owner ADD COLUMN grade text NOT NULL DEFAULT 'B' CHECK (grade IN ('A', 'B', 'C'));
ALTER TABLE care.case_priority ADD COLUMN tie text NOT NULL DEFAULT 'B';
DROP INDEX care.case_priority_order;
CREATE INDEX case_priority_order ON care.case_priority (priority DESC, tie, case_id);
CREATE INDEX owner_time_zone ON pii.owner (time_zone);
CREATE INDEX identity_of_owner ON pii.vehicle_identity (owner_id);
GRANT UPDATE (do_not_call) ON pii.owner TO forewarn_alerts;

-- Up to which entry a CRM knows: one row.
CREATE TABLE care.pushed (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    entry_id bigint NOT NULL
);
INSERT INTO care.pushed (entry_id) VALUES (0);

-- Pages that stay open hear of changes.
CREATE FUNCTION care.notify_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('forewarn_care', '');
    RETURN NULL;
END
$$;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['case', 'case_work', 'case_priority', 'task'] LOOP
        EXECUTE format(
            'CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON care.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION care.notify_change()', 'notify_' || name, name);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA care TO forewarn_alerts;
REVOKE UPDATE ON care.entry, care.redemption, care.finding FROM forewarn_alerts;
GRANT INSERT ON prediction.label TO forewarn_alerts;
