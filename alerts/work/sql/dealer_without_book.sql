-- An admitted dealer whose appointments are not kept here.
SELECT FROM care.dealer WHERE dealer_id = %(dealer_id)s AND admitted AND places IS NULL;
