-- What two versions of one fault mode said of the same cars on the same days, and what came of it.
WITH said AS (
    SELECT vehicle_id, as_of, model_version, probability, threshold
    FROM prediction.prediction
    WHERE fault_mode = %(fault_mode)s AND model_version IN (%(a)s, %(b)s)
    UNION ALL
    SELECT vehicle_id, as_of, model_version, probability, threshold
    FROM prediction.shadow
    WHERE fault_mode = %(fault_mode)s AND model_version IN (%(a)s, %(b)s)
),
pair AS (
    SELECT DISTINCT ON (vehicle_id, as_of)
        vehicle_id, as_of, a.probability AS a, b.probability AS b,
        a.probability >= a.threshold AS flagged_a, b.probability >= b.threshold AS flagged_b
    FROM said AS a
    JOIN said AS b USING (vehicle_id, as_of)
    WHERE a.model_version = %(a)s AND b.model_version = %(b)s
    ORDER BY vehicle_id, as_of
),
judged AS (
    SELECT pair.*,
        CASE
            WHEN as_of + make_interval(days => %(horizon_d)s) > %(now)s THEN NULL
            WHEN EXISTS (
                SELECT FROM prediction.label
                WHERE label.vehicle_id = pair.vehicle_id AND label.fault_mode = %(fault_mode)s AND label.confirmed
                  AND label.occurred_at >= as_of
                  AND label.occurred_at < as_of + make_interval(days => %(horizon_d)s)
                  AND label.known_at <= %(now)s
            ) THEN 1.0
            WHEN heard_at >= as_of + make_interval(days => %(horizon_d)s - 7) THEN 0.0
        END AS came
    FROM pair
    LEFT JOIN telemetry.last_heard USING (vehicle_id)
)
SELECT count(*) AS pairs,
    count(DISTINCT vehicle_id) AS cars,
    count(DISTINCT as_of) AS days,
    min(as_of) AS first,
    max(as_of) AS last,
    avg(a)::float8 AS mean_a,
    avg(b)::float8 AS mean_b,
    avg(abs(a - b))::float8 AS difference,
    count(*) FILTER (WHERE flagged_a AND flagged_b) AS flagged_both,
    count(*) FILTER (WHERE flagged_a AND NOT flagged_b) AS flagged_a,
    count(*) FILTER (WHERE flagged_b AND NOT flagged_a) AS flagged_b,
    count(came) AS known,
    avg(came)::float8 AS observed,
    avg((a - came) ^ 2) FILTER (WHERE came IS NOT NULL)::float8 AS brier_a,
    avg((b - came) ^ 2) FILTER (WHERE came IS NOT NULL)::float8 AS brier_b
FROM judged;
