-- What one version said on the newest day it scored.
SELECT probability::float8
FROM prediction.prediction
WHERE fault_mode = %(fault_mode)s AND model_version = %(model_version)s
  AND as_of = (
      SELECT max(as_of)
      FROM prediction.prediction
      WHERE fault_mode = %(fault_mode)s AND model_version = %(model_version)s
        AND as_of <= %(as_of)s AND as_of > %(as_of)s - interval '7 days'
  );
