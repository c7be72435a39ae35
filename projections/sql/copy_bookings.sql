-- Write bookings as folded, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per booking sent
COPY bookings (
    booking_id, stream_id, user_id, quantity, status, booked_by, booked_at_us,
    entry_version, entry_hash, changed_at_us, changed_version, changed_hash,
    category, seats, amount_cents, cancelled_tickets, check_ins, generation, hold_id
) FROM STDIN
