-- Write rows of waiting_list as folded, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per row sent
COPY waiting_list (
    waiting_id, stream_id, user_id, quantity, status, joined_by,
    entry_version, entry_hash, entry_at_us, changed_version, changed_hash, changed_at_us,
    category, hold_id
) FROM STDIN
