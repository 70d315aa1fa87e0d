-- Up to where entries were pushed; nothing while somebody else pushes.
SELECT entry_id FROM care.pushed FOR UPDATE SKIP LOCKED;
