-- The jobs of a hypertable or a continuous aggregate, whose rows lie behind its view, with their settings.
SELECT job.proc_name, job.config
FROM timescaledb_information.jobs AS job
WHERE (job.hypertable_schema = 'telemetry' AND job.hypertable_name = %(name)s)
   OR (job.hypertable_schema, job.hypertable_name) IN (
       SELECT materialization_hypertable_schema, materialization_hypertable_name
       FROM timescaledb_information.continuous_aggregates
       WHERE view_schema = 'telemetry' AND view_name = %(name)s
   );
