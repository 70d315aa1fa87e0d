-- Open cases of every so many cars, each with a prediction, a second lead for some, a place on the list, a promise, a
-- dealer and a coupon.
INSERT INTO prediction.run (job, started_at, finished_at, outcome) VALUES ('score', %(now)s, %(now)s, 'done');

INSERT INTO care.case (vehicle_id, opened_at)
SELECT vehicle_id, %(now)s - (vehicle_id %% 9) * interval '1 day'
FROM telemetry.vehicle
WHERE vehicle_id %% (%(vehicles)s / %(cases)s) = 0;

INSERT INTO prediction.prediction
    (run_id, vehicle_id, fault_mode, scored_at, as_of, probability, threshold, model_version, days_to_lamp,
     days_to_lamp_low, days_to_lamp_high, reasons)
SELECT
    (SELECT max(run_id) FROM prediction.run), vehicle_id,
    (ARRAY['lv_battery', 'tyre_leak', 'brake_wear', 'lv_battery', 'dcdc'])[1 + case_id %% 5],
    %(now)s, date_trunc('day', %(now)s::timestamptz), 0.3 + 0.6 * ((case_id * 7919) %% 1000) / 1000.0, 0.3, 'v1', 9, 4, 16,
    '[{"feature": "lv_battery_v.rest.level.7d", "signal": "lv_battery_v", "regime": "rest", "kind": "level",
       "window_d": 7, "value": 12.05, "unit": "V", "usual": 12.6, "effect": 1.2, "usual_low": 12.4, "usual_high": 12.8,
       "since": "2026-03-01"}]'
FROM care.case;

INSERT INTO care.lead
    (case_id, source, fault_mode, first_seen_at, last_seen_at, probability, severity, prediction_id, model_version, reasons)
SELECT
    case_id, 'prediction', fault_mode, opened_at, %(now)s, probability,
    CASE fault_mode WHEN 'brake_wear' THEN 1 ELSE 2 END, prediction_id, model_version, reasons
FROM care.case
JOIN prediction.prediction USING (vehicle_id);

INSERT INTO care.lead (case_id, source, first_seen_at, last_seen_at, severity)
SELECT case_id, 'service', opened_at, %(now)s, 3 FROM care.case WHERE case_id %% 3 = 0;

INSERT INTO care.case_priority (case_id, priority, tie, why, updated_at)
SELECT
    case_id,
    CASE severity WHEN 1 THEN 50 ELSE 25 END + round(35 * probability)::int + 7,
    substr('ABC', 1 + case_id::int %% 3, 1),
    jsonb_build_object('lead_id', lead_id, 'parts', jsonb_build_array(
        jsonb_build_object('key', 'severity', 'points', 25, 'value', severity),
        jsonb_build_object('key', 'likelihood', 'points', round(35 * probability)::int, 'value', probability),
        jsonb_build_object('key', 'urgency', 'points', 7, 'value', 9))),
    %(now)s
FROM care.lead
WHERE source = 'prediction';

INSERT INTO care.clock (case_id, kind, began_at, due_at)
SELECT case_id, 'answer', opened_at, opened_at + interval '4 hours' FROM care.case;

INSERT INTO care.entry (case_id, at, actor, kind) SELECT case_id, opened_at, 'Forewarn', 'opened' FROM care.case;

INSERT INTO care.offer (case_id, campaign, dealer_id, distance_km, offered_at)
SELECT case_id, 'fault_care', dealer_id, 12.5, opened_at
FROM care.case
CROSS JOIN (SELECT min(dealer_id) AS dealer_id FROM care.dealer) AS one;

INSERT INTO care.coupon (offer_id, code, percent_off, most_yuan, valid_from, valid_until)
SELECT offer_id, 'BENCH-' || offer_id, 20, 2000, offered_at, %(now)s + interval '30 days' FROM care.offer
