-- For every known VIN: its car and which purposes its owner agrees to now.
SELECT identity.vin, identity.vehicle_id, choice.purposes
FROM pii.vehicle_identity AS identity
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(purpose) FILTER (WHERE granted), '{}') AS purposes
    FROM pii.consent_now
    WHERE consent_now.vehicle_id = identity.vehicle_id
) AS choice
WHERE identity.vin = ANY (%(vins)s);
