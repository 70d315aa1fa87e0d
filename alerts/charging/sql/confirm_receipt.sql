-- An owner confirms a message, once.
UPDATE safety.delivery SET receipt_at = coalesce(receipt_at, now()), receipt_by = coalesce(receipt_by, 'owner')
WHERE delivery_id = %(delivery_id)s AND recipient = 'owner'
RETURNING case_id;
