-- Says whether the event that is there already has this level.
SELECT level = %(level)s
FROM telemetry.vehicle_event
WHERE vehicle_id = %(vehicle_id)s AND ts = %(ts)s AND kind = %(kind)s AND code = %(code)s AND state = %(state)s
  AND source = 'event';
