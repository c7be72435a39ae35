-- Add to the sales of minutes.
-- locks: the rows added to; the projector's row is locked already
-- index: sales_pkey
-- rows: one per row sent
INSERT INTO sales (stream_id, minute_us, category, booked, cancelled, booked_cents, cancelled_cents)
SELECT *
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
ON CONFLICT (stream_id, minute_us, category) DO UPDATE SET
    booked = sales.booked + excluded.booked,
    cancelled = sales.cancelled + excluded.cancelled,
    booked_cents = sales.booked_cents + excluded.booked_cents,
    cancelled_cents = sales.cancelled_cents + excluded.cancelled_cents
