-- Removes the newest values of cars that are simulated anew.
DELETE FROM telemetry.vehicle_state WHERE vehicle_id = ANY (%(vehicle_ids)s);
