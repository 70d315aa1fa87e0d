-- Whether a car was given hours of a span of time.
SELECT EXISTS (SELECT FROM telemetry.rollup_hour_given WHERE vehicle_id = %s AND bucket >= %s AND bucket < %s);
