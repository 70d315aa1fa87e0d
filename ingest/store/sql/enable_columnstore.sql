-- Old readings by columns: those of one car (connector) together, in the order of time.
ALTER TABLE {table} SET (
    timescaledb.enable_columnstore = true, timescaledb.segmentby = {segmentby}, timescaledb.orderby = 'ts, seq'
);
