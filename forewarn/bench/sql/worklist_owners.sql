-- An owner for each car, within some 60 km of Shanghai, who agreed to care.
INSERT INTO pii.owner (name, language, time_zone, home_latitude, home_longitude, grade)
SELECT
    'Owner ' || n,
    CASE WHEN n %% 3 = 0 THEN 'en' ELSE 'zh_CN' END,
    %(zone)s,
    31.23 + 0.5 * sin(n * 12.9898),
    121.47 + 0.5 * sin(n * 78.233),
    substr('ABC', 1 + n %% 3, 1)
FROM generate_series(1, %(vehicles)s) AS n;

INSERT INTO pii.contact (owner_id, channel, address)
SELECT owner_id, 'phone', '+86138' || lpad(owner_id::text, 8, '0') FROM pii.owner;

INSERT INTO pii.vehicle_identity (vehicle_id, vin, owner_id)
SELECT vehicle_id, 'LFWX' || lpad(vehicle_id::text, 13, '0'), vehicle_id FROM telemetry.vehicle;

INSERT INTO pii.consent (vehicle_id, purpose, granted, policy_version, source, chosen_at)
SELECT vehicle_id, 'care', true, '1', 'benchmark', %(now)s - interval '30 days' FROM telemetry.vehicle
