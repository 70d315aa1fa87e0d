-- Writes one dealer of a file; the admission of a known one is set only when the file is to decide it.
INSERT INTO care.dealer
    (dealer_id, name_zh, name_en, city, brand, latitude, longitude, capabilities, admitted, phone, time_zone, country,
     hours, places)
VALUES
    (%(dealer_id)s, %(name_zh)s, %(name_en)s, %(city)s, %(brand)s, %(latitude)s, %(longitude)s, %(capabilities)s,
     %(admitted)s, %(phone)s, %(time_zone)s, %(country)s, %(hours)s, %(places)s)
ON CONFLICT (dealer_id) DO UPDATE SET
    name_zh = excluded.name_zh,
    name_en = excluded.name_en,
    city = excluded.city,
    brand = excluded.brand,
    latitude = excluded.latitude,
    longitude = excluded.longitude,
    capabilities = excluded.capabilities,
    admitted = CASE WHEN %(set_admission)s THEN excluded.admitted ELSE dealer.admitted END,
    phone = excluded.phone,
    time_zone = excluded.time_zone,
    country = excluded.country,
    hours = excluded.hours,
    places = excluded.places;
