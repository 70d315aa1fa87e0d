-- Has what one person asks for at once be done one after the other, until the transaction ends.
SELECT pg_advisory_xact_lock(7033268, %(account_id)s::integer);
