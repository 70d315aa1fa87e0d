-- A rollup that TimescaleDB keeps; filled by the refreshes that follow what changed.
CREATE MATERIALIZED VIEW {name} WITH (
    timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false,
    timescaledb.chunk_interval = {chunk}
) AS
{query}
WITH NO DATA;
CREATE INDEX {index} ON {name} (vehicle_id, bucket);
ALTER MATERIALIZED VIEW {name} SET (
    timescaledb.enable_columnstore = true, timescaledb.segmentby = 'vehicle_id', timescaledb.orderby = 'bucket'
);
