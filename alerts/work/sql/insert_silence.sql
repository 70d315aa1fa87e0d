-- Begins a silence.
INSERT INTO care.silence (vehicle_id, fault_mode, begins_at, ends_at, reason, made_by)
VALUES (%(vehicle_id)s, %(fault_mode)s, %(begins_at)s, %(ends_at)s, %(reason)s, %(made_by)s);
