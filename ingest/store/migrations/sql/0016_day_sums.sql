-- What models read of the daily rollups, once more and small: of each car, day, day of receipt and regime one string of
-- numbers in single precision. A rollup's row has hundreds of columns, and to send those of a fleet takes longer than
-- everything that is made of them. ingest.store.day_sums writes and reads it. By hash, so that a part of the cars is
-- read by itself and from one end to the other.
CREATE TABLE telemetry.day_sums (
    vehicle_id bigint NOT NULL,
    day date NOT NULL,
    received_on date NOT NULL,
    regime smallint NOT NULL,
    sums bytea NOT NULL,
    PRIMARY KEY (vehicle_id, day, received_on, regime)
) PARTITION BY HASH (vehicle_id);
COMMENT ON COLUMN telemetry.day_sums.sums IS
    'Of each column of day_sums_layout: number of values, mean, standard deviation, least, greatest; float4, NaN is NULL.';
DO $$
BEGIN
    FOR part IN 0..31 LOOP
        EXECUTE format('CREATE TABLE telemetry.day_sums_p%s PARTITION OF telemetry.day_sums'
                       ' FOR VALUES WITH (MODULUS 32, REMAINDER %s)', lpad(part::text, 2, '0'), part);
        EXECUTE format('GRANT SELECT ON telemetry.day_sums_p%s TO forewarn_models', lpad(part::text, 2, '0'));
    END LOOP;
END
$$;

-- One row: which columns the numbers are of, and from which day on the copy is whole.
CREATE TABLE telemetry.day_sums_layout (
    columns text[] NOT NULL,
    since date NOT NULL
);
CREATE UNIQUE INDEX day_sums_one_layout ON telemetry.day_sums_layout ((true));

-- Days of cars whose rollups were made anew since they were copied; without a day all days of the car.
CREATE TABLE telemetry.day_sums_stale (
    vehicle_id bigint NOT NULL,
    day date
);

-- Whoever takes a day off the list of those to be rolled up has rolled it up when he commits.
CREATE FUNCTION telemetry.note_rolled_days() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO telemetry.day_sums_stale (vehicle_id, day) SELECT DISTINCT vehicle_id, day FROM rolled;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_rolled_days AFTER DELETE ON telemetry.stale_day
REFERENCING OLD TABLE AS rolled FOR EACH STATEMENT EXECUTE FUNCTION telemetry.note_rolled_days();

-- It is the models' own: they say what they need and copy it before they score.
GRANT SELECT, INSERT, DELETE, TRUNCATE ON telemetry.day_sums TO forewarn_models;
GRANT SELECT, INSERT, DELETE ON telemetry.day_sums_layout, telemetry.day_sums_stale TO forewarn_models;
