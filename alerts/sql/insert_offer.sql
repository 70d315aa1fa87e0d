-- Makes an offer unless the case has one of this campaign.
INSERT INTO care.offer (case_id, campaign, dealer_id, distance_km, offered_at)
VALUES (%(case_id)s, %(campaign)s, %(dealer_id)s, %(distance_km)s, %(offered_at)s)
ON CONFLICT (case_id, campaign) DO NOTHING
RETURNING offer_id;
