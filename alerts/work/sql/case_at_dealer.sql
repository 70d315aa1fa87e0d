-- A case that a dealer has to do with: its car, whether it is open, what it is about, what models said of it.
SELECT
    care.case.vehicle_id,
    care.case.state = 'open',
    (SELECT coalesce(array_agg(DISTINCT fault_mode) FILTER (WHERE fault_mode IS NOT NULL), '{}') FROM care.lead
     WHERE lead.case_id = care.case.case_id AND explained_by IS NULL AND settled_at IS NULL),
    (SELECT coalesce(array_agg(DISTINCT fault_mode) FILTER (WHERE fault_mode IS NOT NULL), '{}') FROM care.lead
     WHERE lead.case_id = care.case.case_id AND source = 'prediction' AND settled_at IS NULL)
FROM care.case
WHERE care.case.case_id = %(case_id)s
    AND (
        EXISTS (SELECT FROM care.appointment WHERE appointment.case_id = care.case.case_id
            AND appointment.dealer_id = %(dealer_id)s AND appointment.state <> 'cancelled')
        OR EXISTS (SELECT FROM care.offer JOIN care.coupon USING (offer_id)
            WHERE offer.case_id = care.case.case_id AND coupon.redeemed_by = %(dealer_id)s)
    )
FOR UPDATE OF "case";
