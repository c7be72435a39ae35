-- Project a batch's new holds.
-- locks: the new rows
-- index: holds_pkey refuses a hold that exists
-- rows: one per hold
INSERT INTO holds (
    hold_id, stream_id, user_id, quantity, status, held_by, expires_at_us,
    entry_version, entry_hash, entry_at_us, changed_version, changed_hash, changed_at_us,
    category, seats, amount_cents, waiting_id, booking_id
)
SELECT *
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::uuid[], $7::bigint[],
    $8::bigint[], $9::bytea[], $10::bigint[], $11::bigint[], $12::bytea[], $13::bigint[],
    $14::text[], $15::text[]::jsonb[], $16::bigint[], $17::uuid[], $18::uuid[]
)
