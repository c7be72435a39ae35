-- Project a batch's new bookings that are as plain as most: no category, seats, hold or cancellation.
-- locks: the new rows
-- index: bookings_pkey refuses a booking that exists
-- rows: one per new booking
INSERT INTO bookings (
    booking_id, stream_id, user_id, quantity, status, booked_by, booked_at_us,
    entry_version, entry_hash, changed_at_us, changed_version, changed_hash
)
SELECT *
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::uuid[], $7::bigint[],
    $8::bigint[], $9::bytea[], $10::bigint[], $11::bigint[], $12::bytea[]
)
