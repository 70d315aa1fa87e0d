-- One part of the copy, as far as it holds what had been received before a day.
COPY (
    SELECT vehicle_id, day, received_on, regime, sums
    FROM {part}
    WHERE day >= {since} AND day < {until} AND received_on < {received_before}
) TO STDOUT (FORMAT BINARY)
