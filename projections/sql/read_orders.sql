-- What bookings, holds and places in line are for. None of it ever changes.
-- locks: nothing
-- index: bookings_pkey, holds_pkey and waiting_list_pkey
-- rows: one per one named that exists
SELECT
    bookings.booking_id::text AS order_id,
    bookings.quantity,
    bookings.category,
    bookings.seats,
    bookings.amount_cents
FROM unnest($1::uuid[], $2::uuid[]) AS named (stream_id, booking_id)
INNER JOIN bookings USING (stream_id, booking_id)
UNION ALL
SELECT
    holds.hold_id::text,
    holds.quantity,
    holds.category,
    holds.seats,
    holds.amount_cents
FROM unnest($1::uuid[], $2::uuid[]) AS named (stream_id, hold_id)
INNER JOIN holds USING (stream_id, hold_id)
UNION ALL
SELECT
    waiting_list.waiting_id::text,
    waiting_list.quantity,
    waiting_list.category,
    '[]',
    0
FROM unnest($1::uuid[], $2::uuid[]) AS named (stream_id, waiting_id)
INNER JOIN waiting_list USING (stream_id, waiting_id)
