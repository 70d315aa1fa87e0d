-- Hourly rollups summed up by day.
SELECT
    hours.vehicle_id AS vehicle_id,
    {bucket} AS bucket,
    hours.received_on AS received_on,
    hours.regime AS regime{columns}
FROM {hours} AS hours {among}
GROUP BY 1, 2, 3, 4
