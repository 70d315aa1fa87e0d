-- Cases that a person has closed: what comes next about the same car is another.
SELECT case_id FROM safety.case_handling WHERE closed_at > now() - interval '25 hours';
