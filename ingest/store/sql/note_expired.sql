-- Notes that a table of readings or a rollup has lost rows of days before this one.
INSERT INTO telemetry.expired_before AS known (relation, day)
VALUES (%(relation)s, %(day)s)
ON CONFLICT (relation) DO UPDATE SET day = greatest(known.day, excluded.day);
