-- Answers the number of a connector, which gets one when it is first heard of.
WITH known AS (
    SELECT connector_id FROM telemetry.connector
    WHERE operator = %(operator)s AND station = %(station)s AND connector = %(connector)s
),
new AS (
    INSERT INTO telemetry.connector (operator, station, connector)
    SELECT %(operator)s, %(station)s, %(connector)s
    WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (operator, station, connector) DO NOTHING
    RETURNING connector_id
)
SELECT connector_id FROM known
UNION ALL
SELECT connector_id FROM new;
