-- Dealers near a place that can do the work, nearest first, each with its first free slot.
-- The boxes are what the index knows; the distance is the haversine of alerts.dealers.
WITH near AS (
    SELECT
        dealer.*,
        2 * %(earth_radius_km)s * asin(least(1, sqrt(
            sin(radians(dealer.latitude - %(latitude)s) / 2) ^ 2
            + cos(radians(%(latitude)s)) * cos(radians(dealer.latitude))
            * sin(radians(dealer.longitude - %(longitude)s) / 2) ^ 2
        ))) AS distance_km
    FROM care.dealer AS dealer
    WHERE admitted
        AND (point(longitude, latitude) <@ %(first)s::box OR point(longitude, latitude) <@ %(second)s::box)
        AND brand = %(brand)s
        AND capabilities @> %(capabilities)s::text[]
)
SELECT
    near.dealer_id, near.name_zh, near.name_en, near.city, near.brand, near.latitude, near.longitude,
    near.capabilities, near.admitted, near.phone, near.time_zone, near.country, near.hours, near.places,
    free.starts_at AS next_slot_at
FROM near
LEFT JOIN LATERAL (
    SELECT slot.starts_at
    FROM care.slot
    WHERE slot.dealer_id = near.dealer_id
        AND near.places IS NOT NULL
        AND slot.starts_at >= %(now)s
        AND slot.starts_at < %(until)s
        AND slot.capacity > (SELECT count(*) FROM care.slot_place WHERE slot_place.slot_id = slot.slot_id)
    ORDER BY slot.starts_at
    LIMIT 1
) AS free ON true
WHERE near.distance_km <= %(radius_km)s + 1e-6
    -- One whose book is kept here and full is no use.
    AND (near.places IS NULL OR free.starts_at IS NOT NULL)
ORDER BY near.distance_km, near.dealer_id
LIMIT %(limit)s;
