-- Every booking, in the order of read_ledger.
-- locks: nothing
-- index: none: all are read and sorted
-- rows: all
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
ORDER BY stream_id, booking_id
