-- Who can write the files of a model cannot have another one score: what was decided for is on record.
ALTER TABLE prediction.model_promotion ADD COLUMN digest text CHECK (digest ~ '^[0-9a-f]{64}$');
COMMENT ON COLUMN prediction.model_promotion.digest IS
    'SHA-256 of the model''s meta.json, which holds those of its other files; NULL in decisions of before.';
