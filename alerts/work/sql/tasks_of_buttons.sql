-- Makes a task of every press of a help button, whatever the hour.
INSERT INTO care.task (kind, vehicle_id, case_id, text, made_at, due_at, source)
SELECT
    'help',
    event.vehicle_id,
    (SELECT case_id FROM care.case WHERE care.case.vehicle_id = event.vehicle_id AND state = 'open'),
    event.code,
    %(now)s,
    event.received_at + %(within)s,
    'help ' || event.event_id
FROM telemetry.vehicle_event AS event
WHERE event.kind = 'help' AND event.state = 'on' AND event.received_at > %(since)s
ON CONFLICT (source) DO NOTHING;
