-- Writes one dealer of a file; its admission is only set when it is new.
INSERT INTO care.dealer
    (dealer_id, name_zh, name_en, city, brand, latitude, longitude, capabilities, admitted, phone)
VALUES
    (%(dealer_id)s, %(name_zh)s, %(name_en)s, %(city)s, %(brand)s, %(latitude)s, %(longitude)s, %(capabilities)s,
     %(admitted)s, %(phone)s)
ON CONFLICT (dealer_id) DO UPDATE SET
    name_zh = excluded.name_zh,
    name_en = excluded.name_en,
    city = excluded.city,
    brand = excluded.brand,
    latitude = excluded.latitude,
    longitude = excluded.longitude,
    capabilities = excluded.capabilities,
    phone = excluded.phone;
