-- A page of a user's bookings, in order of booking; $4 keeps to those that one key booked.
-- locks: nothing
-- index: bookings_user_id_stream_id_idx
-- rows: at most the limit given
SELECT
    booking_id,
    stream_id,
    user_id,
    quantity,
    status,
    booked_by,
    booked_at_us,
    entry_version,
    entry_hash,
    changed_at_us,
    changed_version,
    changed_hash,
    category,
    seats,
    amount_cents,
    cancelled_tickets,
    check_ins,
    generation,
    hold_id
FROM bookings
WHERE user_id = $1 AND booking_id > $2 AND ($4::uuid IS NULL OR booked_by = $4)
ORDER BY booking_id
LIMIT $3
