-- Dealers by id: those that owners may be sent to, or all.
SELECT
    dealer_id, name_zh, name_en, city, brand, latitude, longitude, capabilities, admitted, phone, time_zone, country,
    hours, places
FROM care.dealer
WHERE admitted OR NOT %(admitted_only)s
ORDER BY dealer_id;
