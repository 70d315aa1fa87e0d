-- One partner more; no row when its id is taken.
INSERT INTO safety.partner (partner_id, name, stations, policy, stop_by, stop_url, created_at)
VALUES (%(partner_id)s, %(name)s, %(stations)s, %(policy)s, %(stop_by)s, %(stop_url)s, %(now)s)
ON CONFLICT (partner_id) DO NOTHING
RETURNING partner_id
