-- How durable the database was: two settings, and the persistence of the partitions that hold the readings.
SELECT current_setting('fsync'),
       current_setting('synchronous_commit'),
       (SELECT string_agg(DISTINCT relation.relpersistence::text, '')
        FROM pg_inherits AS part
        JOIN pg_class AS relation ON relation.oid = part.inhrelid
        WHERE part.inhparent = 'telemetry.vehicle_reading'::regclass)
