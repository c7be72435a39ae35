-- Project a batch's other bookings: new ones with all their fields, and what changed about old ones.
-- locks: the rows named; their stream rows are locked already
-- index: bookings_pkey
-- rows: one per booking
INSERT INTO bookings (
    booking_id, stream_id, user_id, quantity, status, booked_by, booked_at_us,
    entry_version, entry_hash, changed_at_us, changed_version, changed_hash,
    category, seats, amount_cents, cancelled_tickets, check_ins, generation, hold_id
)
SELECT *
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::uuid[], $7::bigint[],
    $8::bigint[], $9::bytea[], $10::bigint[], $11::bigint[], $12::bytea[],
    $13::text[], $14::text[]::jsonb[], $15::bigint[], $16::text[]::jsonb[], $17::text[]::jsonb[],
    $18::integer[], $19::uuid[]
)
ON CONFLICT (booking_id, stream_id) DO UPDATE
SET
    user_id = excluded.user_id,
    status = excluded.status,
    changed_at_us = excluded.changed_at_us,
    changed_version = excluded.changed_version,
    changed_hash = excluded.changed_hash,
    cancelled_tickets = excluded.cancelled_tickets,
    check_ins = excluded.check_ins,
    generation = excluded.generation
