-- All holds of a cancelled event that are still to be released.
-- locks: nothing; the stream row is locked already
-- index: holds_due_idx
-- rows: one per live hold
SELECT
    hold_id,
    stream_id,
    user_id,
    quantity,
    status,
    held_by,
    expires_at_us,
    entry_version,
    entry_hash,
    entry_at_us,
    changed_version,
    changed_hash,
    changed_at_us,
    category,
    seats,
    amount_cents,
    waiting_id,
    booking_id
FROM holds
WHERE stream_id = $1 AND status = 'held'
