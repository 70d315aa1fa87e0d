-- One part of the copy, as far as it holds what had been received before a day: a row for each car, with its days put
-- together in their order. Rows one by one would cost more than what is in them.
SELECT
    vehicle_id,
    -- In the order of the primary key, which needs no sorting.
    string_agg(date_send(day) || date_send(received_on) || int2send(regime) || sums, ''::bytea
               ORDER BY day, received_on, regime)
FROM {part}
WHERE vehicle_id BETWEEN %(first)s AND %(last)s
  AND day >= %(since)s AND day < %(until)s AND received_on < %(received_before)s
GROUP BY vehicle_id
ORDER BY vehicle_id;
