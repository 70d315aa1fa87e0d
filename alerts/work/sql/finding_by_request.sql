-- The finding of a request that was made before.
SELECT finding_id, case_id FROM care.finding WHERE dealer_id = %(dealer_id)s AND request_id = %(request_id)s;
