-- Enrols one car with its owner, contact and consent unless its VIN is known; answers its vehicle_id.
WITH known AS (
    SELECT vehicle_id FROM pii.vehicle_identity WHERE vin = %(vin)s
),
car AS (
    INSERT INTO telemetry.vehicle (model, powertrain, chemistry, cells, city, brand, replayed)
    SELECT %(model)s, %(powertrain)s, %(chemistry)s, %(cells)s, %(city)s, %(brand)s, %(replayed)s
    WHERE NOT EXISTS (SELECT FROM known)
    RETURNING vehicle_id
),
person AS (
    INSERT INTO pii.owner (name, language, time_zone, home_latitude, home_longitude)
    SELECT %(owner_name)s, %(language)s, %(time_zone)s, %(home_latitude)s, %(home_longitude)s
    FROM car
    RETURNING owner_id
),
reached AS (
    INSERT INTO pii.contact (owner_id, channel, address)
    SELECT owner_id, 'phone', %(phone)s FROM person
),
identified AS (
    INSERT INTO pii.vehicle_identity (vehicle_id, vin, owner_id)
    SELECT car.vehicle_id, %(vin)s, person.owner_id FROM car, person
),
agreed AS (
    INSERT INTO pii.consent (vehicle_id, purpose, granted, policy_version, source, received_at, chosen_at)
    SELECT car.vehicle_id, purpose, purpose = ANY (%(purposes)s), %(policy_version)s, 'enrolment',
           least(%(chosen_at)s, now()), least(%(chosen_at)s, now())
    FROM car, unnest(ARRAY['care', 'marketing', 'safety']) AS purpose
)
SELECT vehicle_id FROM car
UNION ALL
SELECT vehicle_id FROM known;
