-- What partners reported as begun and not as over, lately: its end refers to it.
SELECT DISTINCT ON (sighting.danger_id)
    sighting.channel, sighting.source_id, sighting.operator, sighting.station, sighting.connector, sighting.code,
    sighting.session_id, sighting.kind, sighting.severity, sighting.ts
FROM safety.sighting
WHERE sighting.source = 'partner' AND sighting.channel IN ('tcec102', 'ocpp16', 'ocpp201')
  AND sighting.received_at > %(since)s AND sighting.source_id IS NOT NULL AND sighting.operator IS NOT NULL
  AND NOT EXISTS (SELECT FROM safety.sighting AS later WHERE later.danger_id = sighting.danger_id AND later.state = 'off')
ORDER BY sighting.danger_id, sighting.ts DESC
