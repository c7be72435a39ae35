-- The next bookings of a cancelled event that are still to be cancelled.
-- locks: nothing; the stream row is locked already
-- index: bookings_live_idx
-- rows: at most the number given
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
WHERE stream_id = $1 AND status = 'booked'
ORDER BY booking_id
LIMIT $2
