-- Says of readings whose key is there already whether they measured the same.
SELECT new.n,
    (known.session_id, known.voltage_v, known.current_a, known.power_kw, known.energy_kwh, known.soc_pct,
     known.gun_temp_c, known.insulation_kohm, known.extra)
    IS NOT DISTINCT FROM
    (new.session_id, new.voltage_v, new.current_a, new.power_kw, new.energy_kwh, new.soc_pct,
     new.gun_temp_c, new.insulation_kohm, nullif(new.extra, 'null')) AS same
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    n integer, ts bigint, seq bigint, session_id text, voltage_v real, current_a real, power_kw real,
    energy_kwh double precision, soc_pct real, gun_temp_c real, insulation_kohm real, extra jsonb
)
JOIN telemetry.charging_reading AS known
    ON known.connector_id = %(connector_id)s AND known.seq = new.seq
    AND known.ts = 'epoch'::timestamptz + new.ts * interval '1 millisecond';
