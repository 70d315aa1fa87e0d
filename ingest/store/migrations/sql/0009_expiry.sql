-- What has been expired, so that nothing is rolled up anew from what is left.

-- First day of which a table of readings or a rollup has lost nothing; never goes back, whatever the settings become.
CREATE TABLE telemetry.expired_before (
    relation text PRIMARY KEY,
    day date NOT NULL
);
