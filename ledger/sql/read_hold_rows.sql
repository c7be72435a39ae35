-- Every row of holds, in the order of read_ledger.
-- locks: nothing
-- index: none: all are read and sorted
-- rows: all
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
ORDER BY stream_id, hold_id
