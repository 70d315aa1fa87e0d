-- Refreshes the last days of a continuous aggregate every hour.
SELECT add_continuous_aggregate_policy(
    %(name)s::regclass, start_offset => interval '3 days', end_offset => interval '1 hour',
    schedule_interval => interval '1 hour', initial_start => now() + interval '1 hour'
);
