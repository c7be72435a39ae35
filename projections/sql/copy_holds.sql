-- Write rows of holds as folded.
-- locks: the new rows
-- index: holds_pkey
-- rows: one per row sent
COPY holds (
    hold_id, stream_id, user_id, quantity, status, held_by, expires_at_us,
    entry_version, entry_hash, entry_at_us, changed_version, changed_hash, changed_at_us,
    category, seats, amount_cents, waiting_id, booking_id
) FROM STDIN
