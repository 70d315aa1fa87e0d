-- Puts what lies in the root table of a hypertable, where no query looks, into its chunks; a statement each.
CREATE TEMP TABLE astray ON COMMIT DROP AS SELECT * FROM ONLY {table};
DELETE FROM ONLY {table};
