-- Which of an owner's choices is in force; further reports of an alarm; quality flags of charging readings.

-- One column at a time: a compressed hypertable takes no more at once.
ALTER TABLE telemetry.charging_reading ADD COLUMN quality integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN telemetry.charging_reading.quality IS 'Bits of ingest.quality.Quality; 0 is unremarkable.';
ALTER TABLE telemetry.safety_reading ADD COLUMN quality integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN telemetry.safety_reading.quality IS 'Bits of ingest.quality.Quality; 0 is unremarkable.';

-- An alarm that gets worse keeps its id: each report of it is a row.
ALTER TABLE safety.anomaly
    DROP CONSTRAINT anomaly_connector_id_alarm_id_state_key,
    ADD UNIQUE (connector_id, alarm_id, state, ts, code, severity);

ALTER TABLE pii.consent
    ADD COLUMN received_at timestamptz,
    ADD COLUMN said_ms bigint,
    ADD COLUMN clock_believed boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN pii.consent.chosen_at IS 'What the clock said, or when it was received where that cannot be.';
COMMENT ON COLUMN pii.consent.said_ms IS 'What the clock of the car said, in epoch ms; NULL: no car said it.';
COMMENT ON COLUMN pii.consent.clock_believed IS 'False: chosen_at is the time of receipt, the clock said another.';
UPDATE pii.consent
SET received_at = CASE source WHEN 'car' THEN recorded_at ELSE least(chosen_at, recorded_at) END,
    said_ms = CASE source WHEN 'car' THEN (extract(epoch FROM chosen_at) * 1000)::bigint END;
-- The key was chosen_at, which a choice of a clock that runs ahead shares with what else was received then.
ALTER TABLE pii.consent
    ALTER COLUMN received_at SET NOT NULL,
    ALTER COLUMN received_at SET DEFAULT now(),
    DROP CONSTRAINT consent_vehicle_id_purpose_chosen_at_granted_key,
    ADD UNIQUE (vehicle_id, purpose, said_ms, granted, policy_version);
UPDATE pii.consent
SET clock_believed = false, chosen_at = received_at
WHERE chosen_at > received_at OR chosen_at < received_at - interval '400 days';

-- A choice stands until one received later undoes it: a withdrawal always does, a grant only when it was chosen later
-- than the withdrawal. Two times that no clock can be believed for say nothing of that, but what the clock said does.
-- Where several stand, a withdrawal counts.
CREATE OR REPLACE VIEW pii.consent_now AS
SELECT DISTINCT ON (choice.vehicle_id, choice.purpose)
    choice.vehicle_id, choice.purpose, choice.granted, choice.policy_version, choice.chosen_at
FROM pii.consent AS choice
WHERE NOT EXISTS (
    SELECT FROM pii.consent AS later
    WHERE later.vehicle_id = choice.vehicle_id AND later.purpose = choice.purpose AND later.granted <> choice.granted
      AND (later.received_at, later.consent_id) > (choice.received_at, choice.consent_id)
      AND (
          choice.granted
          OR ((later.chosen_at, later.said_ms) > (choice.chosen_at, coalesce(choice.said_ms, 0))
              AND (later.said_ms > choice.said_ms OR later.clock_believed OR choice.clock_believed))
      )
)
ORDER BY choice.vehicle_id, choice.purpose, choice.granted,
    CASE WHEN choice.granted THEN choice.chosen_at ELSE choice.received_at END DESC, choice.consent_id DESC;
