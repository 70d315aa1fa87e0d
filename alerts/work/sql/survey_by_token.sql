-- The question that a link opens.
SELECT
    survey.survey_id, survey.case_id, survey.dealer_id, dealer.name_zh AS dealer_name_zh,
    dealer.name_en AS dealer_name_en, coalesce(owner.language, 'zh_CN') AS language, survey.answered_at
FROM care.survey
JOIN care.dealer USING (dealer_id)
JOIN care.case USING (case_id)
LEFT JOIN pii.vehicle_identity AS identity USING (vehicle_id)
LEFT JOIN pii.owner AS owner USING (owner_id)
WHERE survey.token_hash = %(token_hash)s;
