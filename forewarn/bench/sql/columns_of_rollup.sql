-- The columns of the daily rollups that are given, in their order.
SELECT attname FROM pg_attribute
WHERE attrelid = 'telemetry.rollup_day_given'::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum;
