-- Cars whose owner may be called, with where they are: last parked (it needs care, which all of these have), else home.
SELECT
    car.vehicle_id,
    car.brand,
    consent.purposes,
    coalesce(parked.latitude, owner.home_latitude) AS latitude,
    -- Both coordinates come from the same place: a parked position always has both.
    coalesce(parked.longitude, owner.home_longitude) AS longitude,
    parked.latitude IS NOT NULL AS is_parked
FROM telemetry.vehicle AS car
JOIN pii.vehicle_identity AS identity USING (vehicle_id)
JOIN pii.owner AS owner USING (owner_id)
CROSS JOIN LATERAL (
    SELECT array_agg(purpose) FILTER (WHERE granted) AS purposes
    FROM pii.consent_now
    WHERE consent_now.vehicle_id = car.vehicle_id
) AS consent
LEFT JOIN pii.position AS parked USING (vehicle_id)
WHERE car.vehicle_id = ANY (%(vehicle_ids)s::bigint[])
    AND NOT owner.do_not_call
    AND 'care' = ANY (consent.purposes);
