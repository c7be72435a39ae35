-- Write rows of holds as folded, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per row sent
COPY holds (
    hold_id, stream_id, user_id, quantity, status, held_by, expires_at_us,
    entry_version, entry_hash, entry_at_us, changed_version, changed_hash, changed_at_us,
    category, seats, amount_cents, waiting_id, booking_id
) FROM STDIN
