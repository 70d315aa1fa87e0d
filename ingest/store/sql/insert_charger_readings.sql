-- Stores a connector's readings; answers for each that was there already whether it measured the same.
WITH sent AS (
    SELECT
        new.n, 'epoch'::timestamptz + new.ts * interval '1 millisecond' AS ts, new.seq,
        new.session_id, new.voltage_v, new.current_a, new.power_kw, new.energy_kwh, new.soc_pct, new.gun_temp_c,
        new.insulation_kohm, nullif(new.extra, 'null') AS extra
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
        n integer, ts bigint, seq bigint, session_id text, voltage_v real, current_a real, power_kw real,
        energy_kwh double precision, soc_pct real, gun_temp_c real, insulation_kohm real, extra jsonb
    )
),
fresh AS (
    INSERT INTO telemetry.charging_reading
        (ts, connector_id, seq, received_at, session_id, voltage_v, current_a, power_kw, energy_kwh, soc_pct, gun_temp_c,
         insulation_kohm, extra)
    SELECT ts, %(connector_id)s, seq, %(received_at)s, session_id, voltage_v, current_a, power_kw, energy_kwh, soc_pct,
           gun_temp_c, insulation_kohm, extra
    FROM sent
    ORDER BY n
    ON CONFLICT DO NOTHING
    RETURNING ts, seq
)
SELECT sent.n,
    (known.session_id, known.voltage_v, known.current_a, known.power_kw, known.energy_kwh, known.soc_pct,
     known.gun_temp_c, known.insulation_kohm, known.extra)
    IS NOT DISTINCT FROM
    (sent.session_id, sent.voltage_v, sent.current_a, sent.power_kw, sent.energy_kwh, sent.soc_pct,
     sent.gun_temp_c, sent.insulation_kohm, sent.extra) AS same
FROM sent
JOIN telemetry.charging_reading AS known
    ON known.connector_id = %(connector_id)s AND known.ts = sent.ts AND known.seq = sent.seq
WHERE NOT EXISTS (SELECT FROM fresh WHERE fresh.ts = sent.ts AND fresh.seq = sent.seq);
