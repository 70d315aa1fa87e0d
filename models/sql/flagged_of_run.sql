-- Flagged predictions of one scoring of a day, of some fault modes.
SELECT prediction_id, vehicle_id, fault_mode
FROM prediction.prediction
WHERE as_of = %(as_of)s AND run_id = %(run_id)s AND probability >= threshold AND fault_mode = ANY (%(fault_modes)s);
