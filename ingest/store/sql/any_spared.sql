-- Whether a span of time holds rows of cars of recordings.
SELECT EXISTS (
    SELECT FROM telemetry.vehicle AS v
    WHERE v.replayed
      AND EXISTS (
          SELECT FROM {table} AS r WHERE r.vehicle_id = v.vehicle_id AND r.{at} >= %(since)s AND r.{at} < %(until)s
      )
);
