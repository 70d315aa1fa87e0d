-- A day that is scored again decides anew who is held out.
DELETE FROM prediction.holdout
USING prediction.prediction
WHERE prediction.prediction_id = holdout.prediction_id AND prediction.run_id = %(run_id)s;
