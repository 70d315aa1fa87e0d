-- The version that scores, by fault mode.
SELECT DISTINCT ON (fault_mode) fault_mode, version
FROM prediction.model_promotion
ORDER BY fault_mode, promotion_id DESC;
