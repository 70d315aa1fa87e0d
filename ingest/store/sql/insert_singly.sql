-- Inserts the staged readings one by one, within the database; notes those that were there and those it refuses, and why.
DO $$
DECLARE
    s record;
    broken text;
BEGIN
    FOR s IN SELECT * FROM staging_reading ORDER BY ord LOOP
        BEGIN
            INSERT INTO telemetry.vehicle_reading ({names}) VALUES ({values}) ON CONFLICT DO NOTHING;
            IF NOT FOUND THEN
                INSERT INTO staging_verdict (ord) VALUES (s.ord);
            ELSIF num_nonnulls({lists}) > 0 THEN
                INSERT INTO telemetry.cell_reading ({cell_names}) VALUES ({cell_values}) ON CONFLICT DO NOTHING;
            END IF;
        EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
            GET STACKED DIAGNOSTICS broken = CONSTRAINT_NAME;
            -- A partition that is not there is no fault of the row: it has no constraint's name.
            IF SQLSTATE = '23514' AND broken = '' THEN
                RAISE;
            END IF;
            INSERT INTO staging_verdict (ord, reason) VALUES (s.ord, SQLERRM);
        END;
    END LOOP;
END
$$
