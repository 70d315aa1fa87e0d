-- Closes power deliveries to cars that are charged again.
UPDATE care.task
SET done_at = %(now)s, done_by = 'Forewarn', result = 'charged'
FROM telemetry.vehicle_state AS state
WHERE task.kind = 'power'
    AND task.done_at IS NULL
    AND state.vehicle_id = task.vehicle_id
    AND state.soc_pct >= %(soc)s
    AND state.soc_pct_at > task.made_at;
