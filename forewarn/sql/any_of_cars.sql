-- Whether the store has readings or rollups of any of these cars.
SELECT EXISTS (SELECT FROM telemetry.rollup_day_given WHERE vehicle_id = ANY (%(vehicle_ids)s))
    OR EXISTS (SELECT FROM telemetry.vehicle_reading WHERE vehicle_id = ANY (%(vehicle_ids)s))
    OR EXISTS (SELECT FROM telemetry.vehicle_event WHERE vehicle_id = ANY (%(vehicle_ids)s));
