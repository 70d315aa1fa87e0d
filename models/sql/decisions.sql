-- Decisions about who scores, oldest first, of one fault mode or of all.
SELECT promotion_id, fault_mode, version, replaced, kind, decided_by, reason, forced, gate, decided_at, digest
FROM prediction.model_promotion
WHERE %(fault_mode)s::text IS NULL OR fault_mode = %(fault_mode)s
ORDER BY promotion_id;
