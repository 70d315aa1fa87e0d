-- Dealers whose appointments are kept here and whose hours are known.
SELECT dealer_id, hours, places, time_zone, country
FROM care.dealer
WHERE admitted AND places IS NOT NULL AND hours IS NOT NULL
ORDER BY dealer_id;
