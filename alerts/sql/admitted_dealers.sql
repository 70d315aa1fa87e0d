-- Every dealer that owners may be sent to.
SELECT dealer_id, name_zh, name_en, city, brand, latitude, longitude, capabilities, admitted, phone
FROM care.dealer
WHERE admitted
ORDER BY dealer_id;
