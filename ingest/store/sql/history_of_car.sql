-- Rollups of one car by bucket of time, of what had been received before a day.
SELECT
    bucket AS ts,
    sum(n)::bigint AS n
    {columns}
FROM {rollup}
WHERE vehicle_id = %(vehicle_id)s AND bucket >= %(since)s AND bucket < %(until)s
  AND (%(received_before)s::date IS NULL OR received_on < %(received_before)s)
GROUP BY bucket
ORDER BY bucket;
