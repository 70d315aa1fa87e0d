-- What the desk has to know of charging cars: what they are, what their owners agree to, and how those are reached.
SELECT
    identity.vin,
    identity.vehicle_id,
    car.model,
    car.chemistry,
    choice.purposes,
    owner.language,
    coalesce(reached.contacts, '[]'::jsonb) AS contacts
FROM pii.vehicle_identity AS identity
JOIN telemetry.vehicle AS car USING (vehicle_id)
LEFT JOIN pii.owner AS owner USING (owner_id)
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(purpose) FILTER (WHERE granted), '{}') AS purposes
    FROM pii.consent_now
    WHERE consent_now.vehicle_id = identity.vehicle_id
) AS choice
CROSS JOIN LATERAL (
    SELECT jsonb_agg(
        jsonb_build_object('contact_id', contact_id, 'channel', channel, 'address', address) ORDER BY contact_id
    ) AS contacts
    FROM pii.contact
    WHERE contact.owner_id = owner.owner_id
) AS reached
WHERE identity.vin = ANY (%(vins)s);
