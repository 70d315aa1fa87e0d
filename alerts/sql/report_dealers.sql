-- What dealers did in a time.
SELECT
    dealer.dealer_id, dealer.name_zh, dealer.name_en, dealer.admitted,
    visit.visits, visit.no_shows, found.findings, found.confirmed, survey.answers, survey.score, task.late_tasks
FROM care.dealer
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE state = 'arrived') AS visits,
        count(*) FILTER (WHERE state = 'no_show') AS no_shows
    FROM care.appointment
    WHERE appointment.dealer_id = dealer.dealer_id AND starts_at >= %(since)s AND starts_at < %(until)s
) AS visit
CROSS JOIN LATERAL (
    SELECT count(*) AS findings, count(*) FILTER (WHERE result = 'confirmed') AS confirmed
    FROM care.finding
    WHERE finding.dealer_id = dealer.dealer_id AND found_at >= %(since)s AND found_at < %(until)s
) AS found
CROSS JOIN LATERAL (
    SELECT count(*) AS answers, avg(score)::float8 AS score
    FROM care.survey
    WHERE survey.dealer_id = dealer.dealer_id AND answered_at >= %(since)s AND answered_at < %(until)s
) AS survey
CROSS JOIN LATERAL (
    SELECT count(*) AS late_tasks
    FROM care.task
    WHERE task.dealer_id = dealer.dealer_id
        AND due_at >= %(since)s
        AND due_at < %(until)s
        AND coalesce(done_at, %(now)s) > due_at
) AS task
WHERE visit.visits + visit.no_shows + found.findings + survey.answers + task.late_tasks > 0
ORDER BY found.findings DESC, dealer.dealer_id;
