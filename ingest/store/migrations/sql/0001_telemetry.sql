-- Schema telemetry: what was measured. Signal columns are added from config/signals.toml after the migrations ran.
CREATE SCHEMA telemetry;
CREATE SCHEMA prediction;
CREATE SCHEMA care;
CREATE SCHEMA safety;
CREATE SCHEMA pii;
CREATE SCHEMA audit;

-- One role per process. They belong to the cluster, so a second database finds them there; whoever migrates acts as
-- each of them. What an administrator has done already takes no right to do.
DO $$
DECLARE
    name text;
    able text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
    missing text := '';
BEGIN
    FOREACH name IN ARRAY ARRAY['forewarn_ingest', 'forewarn_models', 'forewarn_alerts', 'forewarn_schedule'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;
            WHEN insufficient_privilege THEN
                missing := missing || format('CREATE ROLE %I NOLOGIN; GRANT %I TO %I; ', name, name, current_user);
                CONTINUE;
        END;
        BEGIN
            IF NOT pg_has_role(current_user, name, able) THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', name);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            missing := missing || format('GRANT %I TO %I; ', name, current_user);
        END;
    END LOOP;
    IF missing <> '' THEN
        RAISE insufficient_privilege
            USING MESSAGE = 'the database user may not make the roles that Forewarn works as', HINT = rtrim(missing);
    END IF;
END
$$;

-- What a car is, without saying whose: readable by every process.
CREATE TABLE telemetry.vehicle (
    vehicle_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text NOT NULL,
    powertrain text NOT NULL CHECK (powertrain IN ('bev', 'phev', 'ice')),
    chemistry text CHECK (chemistry IN ('NMC', 'LFP')),
    cells smallint CHECK (cells > 0),
    city text,
    brand text NOT NULL DEFAULT 'Forewarn Motors',
    replayed boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN telemetry.vehicle.replayed IS 'A recording of long ago: retention spares it.';

CREATE TABLE telemetry.vehicle_reading (
    ts timestamptz NOT NULL,
    vehicle_id bigint NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL,
    quality integer NOT NULL DEFAULT 0,
    extra jsonb,
    UNIQUE (vehicle_id, ts, seq)
) PARTITION BY RANGE (ts);
COMMENT ON COLUMN telemetry.vehicle_reading.quality IS 'Bits of ingest.quality.Quality; 0 is unremarkable.';

CREATE TABLE telemetry.cell_reading (
    ts timestamptz NOT NULL,
    vehicle_id bigint NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL,
    cell_v real[],
    probe_c real[],
    UNIQUE (vehicle_id, ts, seq)
) PARTITION BY RANGE (ts);

-- What a car said happened: lamps, trouble codes, the help button.
CREATE TABLE telemetry.vehicle_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id bigint NOT NULL,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('lamp', 'dtc', 'help')),
    code text NOT NULL,
    state text NOT NULL CHECK (state IN ('on', 'off')),
    -- 4 is GB/T 32960.3-2025's thermal event.
    level smallint NOT NULL DEFAULT 0 CHECK (level BETWEEN 0 AND 4),
    source text NOT NULL DEFAULT 'event',
    UNIQUE (vehicle_id, ts, kind, code, state)
);
CREATE INDEX vehicle_event_received ON telemetry.vehicle_event (received_at);

-- The newest value of every signal of a car, kept by ingest: a column and its time, "<column>_at", per signal, which
-- are added from config/signals.toml like those of the readings.
CREATE TABLE telemetry.vehicle_state (
    vehicle_id bigint PRIMARY KEY,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    readings bigint NOT NULL
) WITH (fillfactor = 50);

-- Days of cars that got new readings and wait to be judged and rolled up. Only ever added to by ingest, which thus
-- never waits for whoever works it off.
CREATE TABLE telemetry.changed_day (
    changed_day_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id bigint NOT NULL,
    day date NOT NULL
);

-- How good a car's data was on a day: readings, and how many carry each flag of ingest.quality.Quality.
CREATE TABLE telemetry.vehicle_quality_day (
    vehicle_id bigint NOT NULL,
    day date NOT NULL,
    readings bigint NOT NULL,
    flagged bigint NOT NULL,
    by_flag jsonb NOT NULL,
    PRIMARY KEY (vehicle_id, day)
);

-- What every message came to, in samples, per worker epoch and topic kind, written in the data's own transaction.
CREATE TABLE telemetry.outcome (
    epoch uuid NOT NULL,
    lane text NOT NULL,
    received bigint NOT NULL DEFAULT 0,
    stored bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    dead bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    -- Number of the last batch this epoch committed: tells after a lost connection whether the commit went through.
    batch bigint NOT NULL DEFAULT 0,
    worker text NOT NULL,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (epoch, lane)
);

-- Makes the daily partition for one day of one table. Owned by the migrating role, so that ingest needs no rights on the schema.
CREATE FUNCTION telemetry.ensure_partition(parent text, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    child text := parent || '_p' || to_char(day, 'YYYYMMDD');
BEGIN
    IF parent NOT IN ('vehicle_reading', 'cell_reading') THEN
        RAISE EXCEPTION 'not a partitioned table of telemetry: %', parent;
    END IF;
    IF to_regclass(format('telemetry.%I', child)) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- Two workers may meet the same new day.
    PERFORM pg_advisory_xact_lock(hashtext('telemetry.' || child));
    -- Not to_regclass: waiting for this lock does not refresh what it remembers.
    IF EXISTS (SELECT FROM pg_class WHERE relnamespace = 'telemetry'::regnamespace AND relname = child) THEN
        RETURN false;
    END IF;
    -- ATTACH takes a weaker lock than CREATE … PARTITION OF: writers of other days go on.
    EXECUTE format('CREATE TABLE telemetry.%I (LIKE telemetry.%I INCLUDING ALL)', child, parent);
    EXECUTE format('ALTER TABLE telemetry.%I ATTACH PARTITION telemetry.%I FOR VALUES FROM (%L) TO (%L)',
                   parent, child, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION telemetry.ensure_partition(text, date) FROM PUBLIC;

GRANT SELECT ON public.schema_version TO forewarn_ingest, forewarn_models, forewarn_alerts, forewarn_schedule;
GRANT USAGE ON SCHEMA telemetry TO forewarn_ingest, forewarn_models, forewarn_alerts, forewarn_schedule;
GRANT EXECUTE ON FUNCTION telemetry.ensure_partition(text, date) TO forewarn_ingest;
GRANT SELECT, INSERT ON telemetry.vehicle_reading, telemetry.cell_reading, telemetry.vehicle_event TO forewarn_ingest;
GRANT SELECT ON telemetry.vehicle TO forewarn_ingest;
GRANT SELECT, INSERT, UPDATE ON telemetry.outcome, telemetry.vehicle_state, telemetry.vehicle_quality_day TO forewarn_ingest;
GRANT SELECT, INSERT, DELETE ON telemetry.changed_day TO forewarn_ingest;
GRANT UPDATE (quality) ON telemetry.vehicle_reading TO forewarn_ingest;
GRANT SELECT ON ALL TABLES IN SCHEMA telemetry TO forewarn_models, forewarn_alerts;
