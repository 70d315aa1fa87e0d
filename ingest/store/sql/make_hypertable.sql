-- Turns a table partitioned by PostgreSQL into a hypertable with the same columns, constraints and rows.
ALTER TABLE {table} RENAME TO {whole};
CREATE TABLE {table} (LIKE {whole_table} INCLUDING ALL);
SELECT create_hypertable({name}, by_range('ts', {chunk}::interval), create_default_indexes => false);
INSERT INTO {table} SELECT * FROM {whole_table};
DROP TABLE {whole_table};
