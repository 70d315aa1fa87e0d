-- Records an owner's choice for one purpose unless it is there already.
INSERT INTO pii.consent
    (vehicle_id, purpose, granted, policy_version, source, received_at, chosen_at, said_ms, clock_believed)
VALUES (%(vehicle_id)s, %(purpose)s, %(granted)s, %(policy_version)s, 'car', %(received_at)s, %(chosen_at)s,
        %(said_ms)s, %(clock_believed)s)
ON CONFLICT DO NOTHING
RETURNING 1;
