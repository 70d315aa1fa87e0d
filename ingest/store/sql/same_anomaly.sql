-- Says whether the report that is there already is this one in all it says.
SELECT (session_id, vehicle_id, remark, measures)
    IS NOT DISTINCT FROM (%(session_id)s::text, %(vehicle_id)s::bigint, %(remark)s::text, %(measures)s::jsonb)
FROM safety.anomaly
WHERE connector_id = %(connector_id)s AND alarm_id = %(alarm_id)s AND state = %(state)s AND ts = %(ts)s
  AND code = %(code)s AND severity = %(severity)s;
