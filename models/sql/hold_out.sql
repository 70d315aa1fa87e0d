-- Notes flagged predictions that nobody is called for.
INSERT INTO prediction.holdout (prediction_id) SELECT unnest(%(prediction_ids)s::bigint[]);
