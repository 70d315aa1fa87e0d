-- What a worker's last batch was and what it had in flight; lamps that can be derived again.

-- Messages of the last batch that was committed: tells after a lost connection how many may be acknowledged.
ALTER TABLE telemetry.outcome ADD COLUMN batch_messages bigint NOT NULL DEFAULT 0;
-- Messages received and not acknowledged when that batch was committed.
ALTER TABLE telemetry.outcome ADD COLUMN in_flight bigint NOT NULL DEFAULT 0;

-- What frames say is derived from the readings, whatever the car has sent as an event besides.
ALTER TABLE telemetry.vehicle_event DROP CONSTRAINT vehicle_event_vehicle_id_ts_kind_code_state_key;
ALTER TABLE telemetry.vehicle_event ADD UNIQUE (vehicle_id, ts, kind, code, state, source);
GRANT DELETE ON telemetry.vehicle_event TO forewarn_ingest;
GRANT UPDATE (received_at, level) ON telemetry.vehicle_event TO forewarn_ingest;

-- Readings whose clock ran ahead are few and anywhere: what they hold of a car's sequence numbers is not missing.
CREATE INDEX vehicle_reading_ahead ON telemetry.vehicle_reading (vehicle_id, seq) WHERE quality & 8 <> 0;
