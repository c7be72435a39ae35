-- Add to the revenue of events.
-- locks: the rows added to; the projector's row is locked already
-- index: revenue_pkey
-- rows: one per row sent
INSERT INTO revenue (stream_id, category, booked, cancelled, booked_cents, cancelled_cents)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT (stream_id, category) DO UPDATE SET
    booked = revenue.booked + excluded.booked,
    cancelled = revenue.cancelled + excluded.cancelled,
    booked_cents = revenue.booked_cents + excluded.booked_cents,
    cancelled_cents = revenue.cancelled_cents + excluded.cancelled_cents
