-- For every known VIN: its car and which purposes its owner agrees to now.
SELECT identity.vin, identity.vehicle_id, coalesce(array_agg(choice.purpose) FILTER (WHERE choice.granted), '{}')
FROM pii.vehicle_identity AS identity
LEFT JOIN LATERAL (
    SELECT DISTINCT ON (consent.purpose) consent.purpose, consent.granted
    FROM pii.consent AS consent
    WHERE consent.vehicle_id = identity.vehicle_id
    ORDER BY consent.purpose, consent.chosen_at DESC, consent.consent_id DESC
) AS choice ON true
WHERE identity.vin = ANY (%(vins)s)
GROUP BY identity.vin, identity.vehicle_id;
