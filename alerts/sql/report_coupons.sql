-- Coupons issued and redeemed in a time, by campaign.
SELECT
    offer.campaign,
    count(*) FILTER (WHERE valid_from >= %(since)s AND valid_from < %(until)s) AS issued,
    count(*) FILTER (WHERE redeemed_at >= %(since)s AND redeemed_at < %(until)s) AS redeemed
FROM care.coupon
JOIN care.offer USING (offer_id)
WHERE valid_from < %(until)s
GROUP BY offer.campaign
HAVING count(*) FILTER (
    WHERE (valid_from >= %(since)s AND valid_from < %(until)s) OR (redeemed_at >= %(since)s AND redeemed_at < %(until)s)
) > 0
ORDER BY offer.campaign;
