-- What a car says of its charging at this moment: values of the last minute, and nothing that is older.
WITH safety AS (
    SELECT ts, signals
    FROM telemetry.safety_reading
    WHERE vehicle_id = %(vehicle_id)s
      AND ts BETWEEN %(now)s::timestamptz - %(within)s::interval AND %(now)s::timestamptz + %(within)s::interval
      AND received_at > %(now)s::timestamptz - %(within)s::interval
    ORDER BY ts DESC, seq DESC
    LIMIT 1
), newest (ts, name, value) AS (
    SELECT at.ts, at.name, at.value
    FROM telemetry.vehicle_state AS state
    CROSS JOIN LATERAL (VALUES
        (state.is_charging_at, 'is_charging', state.is_charging::int::float8),
        (state.soc_pct_at, 'soc_pct', state.soc_pct::float8),
        (state.pack_v_at, 'pack_v', state.pack_v::float8),
        (state.pack_a_at, 'pack_a', state.pack_a::float8),
        (state.cell_min_v_at, 'cell_min_v', state.cell_min_v::float8),
        (state.cell_max_v_at, 'cell_max_v', state.cell_max_v::float8),
        (state.battery_min_c_at, 'battery_min_c', state.battery_min_c::float8),
        (state.battery_max_c_at, 'battery_max_c', state.battery_max_c::float8),
        (state.insulation_kohm_at, 'insulation_kohm', state.insulation_kohm::float8)
    ) AS at (ts, name, value)
    WHERE state.vehicle_id = %(vehicle_id)s
      AND at.ts BETWEEN %(now)s::timestamptz - %(within)s::interval AND %(now)s::timestamptz + %(within)s::interval
      AND state.received_at > %(now)s::timestamptz - %(within)s::interval
    UNION ALL
    SELECT safety.ts, pair.key,
        CASE pair.value WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE pair.value::float8 END
    FROM safety
    CROSS JOIN LATERAL jsonb_each_text(safety.signals) AS pair (key, value)
    WHERE pair.key IN ('is_charging', 'soc_pct', 'pack_v', 'pack_a', 'cell_min_v', 'cell_max_v', 'battery_min_c',
                       'battery_max_c', 'insulation_kohm')
      AND pair.value IS NOT NULL
)
SELECT DISTINCT ON (name) name, value, ts FROM newest WHERE value IS NOT NULL ORDER BY name, ts DESC
