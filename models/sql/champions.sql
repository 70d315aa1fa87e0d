-- The version that scores, by fault mode, and what it was when that was decided.
SELECT DISTINCT ON (fault_mode) fault_mode, version, digest
FROM prediction.model_promotion
ORDER BY fault_mode, promotion_id DESC;
