-- Removes the lamp events of cars that are simulated anew.
DELETE FROM telemetry.vehicle_event WHERE vehicle_id = ANY (%(vehicle_ids)s);
