-- Records an owner's choice for one purpose unless it is there already.
INSERT INTO pii.consent (vehicle_id, purpose, granted, policy_version, source, chosen_at)
VALUES (%(vehicle_id)s, %(purpose)s, %(granted)s, %(policy_version)s, 'car', %(chosen_at)s)
ON CONFLICT DO NOTHING
RETURNING 1;
