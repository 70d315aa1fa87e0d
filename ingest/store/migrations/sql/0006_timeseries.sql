-- Readings of connectors by day, like those of cars; the list of days whose rollups are out of date. The rollups
-- themselves and what TimescaleDB adds follow from config/signals.toml and the settings: ingest.store.timeseries.

-- As before, for one table more; where the table is no partitioned one, as on TimescaleDB, there is nothing to do.
CREATE OR REPLACE FUNCTION telemetry.ensure_partition(parent text, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    child text := parent || '_p' || to_char(day, 'YYYYMMDD');
    kind "char";
BEGIN
    -- READINGS_LOCK of ingest.store.timeseries.engine: what the table is may change while one waits for it.
    PERFORM pg_advisory_xact_lock_shared(7033264);
    SELECT c.relkind INTO kind FROM pg_class AS c
    WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relname = parent;
    IF parent NOT IN ('vehicle_reading', 'cell_reading', 'charging_reading') THEN
        RAISE EXCEPTION 'not a partitioned table of telemetry: %', parent;
    END IF;
    IF kind <> 'p' OR to_regclass(format('telemetry.%I', child)) IS NOT NULL THEN
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

ALTER TABLE telemetry.charging_reading RENAME TO charging_reading_whole;
DROP INDEX telemetry.charging_reading_received;
CREATE TABLE telemetry.charging_reading (
    LIKE telemetry.charging_reading_whole INCLUDING ALL
) PARTITION BY RANGE (ts);
SELECT telemetry.ensure_partition('charging_reading', day)
FROM (SELECT DISTINCT (ts AT TIME ZONE 'UTC')::date AS day FROM telemetry.charging_reading_whole) AS days;
INSERT INTO telemetry.charging_reading SELECT * FROM telemetry.charging_reading_whole;
DROP TABLE telemetry.charging_reading_whole;
GRANT SELECT, INSERT, DELETE ON telemetry.charging_reading TO forewarn_ingest;
GRANT SELECT ON telemetry.charging_reading TO forewarn_models, forewarn_alerts;

-- Days of cars that were judged and wait to be rolled up.
CREATE TABLE telemetry.stale_day (
    stale_day_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id bigint NOT NULL,
    day date NOT NULL
);
GRANT INSERT ON telemetry.stale_day TO forewarn_ingest;
-- What was stored before there were rollups.
INSERT INTO telemetry.stale_day (vehicle_id, day)
SELECT DISTINCT vehicle_id, (ts AT TIME ZONE 'UTC')::date FROM telemetry.vehicle_reading;
