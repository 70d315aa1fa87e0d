-- Adds slots; one that is there stays as it is.
INSERT INTO care.slot (dealer_id, day, starts_at, ends_at, capacity)
SELECT dealer_id, day, starts_at, ends_at, capacity
FROM unnest(
    %(dealer_ids)s::text[], %(days)s::date[], %(starts)s::timestamptz[], %(ends)s::timestamptz[],
    %(capacities)s::smallint[]
) AS slot (dealer_id, day, starts_at, ends_at, capacity)
ON CONFLICT (dealer_id, starts_at) DO NOTHING;
