-- Stores a connector's readings, the first of each key; answers the keys that were new.
WITH sent AS (
    SELECT DISTINCT ON (new.ts, new.seq) *
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
        n integer, ts bigint, seq bigint, quality integer, session_id text, voltage_v real, current_a real,
        power_kw real, energy_kwh double precision, soc_pct real, gun_temp_c real, insulation_kohm real, extra jsonb
    )
    ORDER BY new.ts, new.seq, new.n
)
INSERT INTO telemetry.charging_reading
    (ts, connector_id, seq, received_at, quality, session_id, voltage_v, current_a, power_kw, energy_kwh, soc_pct,
     gun_temp_c, insulation_kohm, extra)
SELECT 'epoch'::timestamptz + ts * interval '1 millisecond', %(connector_id)s, seq, %(received_at)s, quality, session_id,
       voltage_v, current_a, power_kw, energy_kwh, soc_pct, gun_temp_c, insulation_kohm, nullif(extra, 'null')
FROM sent
ON CONFLICT DO NOTHING
RETURNING (extract(epoch FROM ts) * 1000)::bigint, seq;
