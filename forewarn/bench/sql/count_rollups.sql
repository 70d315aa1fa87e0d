-- How many rows of daily rollups the scoring of a day looks back on.
SELECT count(*) FROM telemetry.rollup_day WHERE bucket >= %(since)s;
