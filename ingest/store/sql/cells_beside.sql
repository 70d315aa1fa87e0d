-- The cells of the same reading.
LEFT JOIN telemetry.cell_reading AS cells
    ON cells.vehicle_id = reading.vehicle_id AND cells.ts = reading.ts AND cells.seq = reading.seq
    AND cells.ts >= %(since)s AND cells.ts < %(until)s
