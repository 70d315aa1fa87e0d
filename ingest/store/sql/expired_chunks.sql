-- The spans of time of chunks that end before an instant, of a hypertable or of a continuous aggregate.
SELECT chunk.range_start, chunk.range_end
FROM timescaledb_information.chunks AS chunk
WHERE chunk.range_end <= %(before)s
  AND (
      (chunk.hypertable_schema = 'telemetry' AND chunk.hypertable_name = %(name)s)
      OR (chunk.hypertable_schema, chunk.hypertable_name) IN (
          SELECT materialization_hypertable_schema, materialization_hypertable_name
          FROM timescaledb_information.continuous_aggregates
          WHERE view_schema = 'telemetry' AND view_name = %(name)s
      )
  )
ORDER BY 1;
