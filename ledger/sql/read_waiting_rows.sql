-- Every row of waiting_list, in the order of read_ledger.
-- locks: nothing
-- index: none: all are read and sorted
-- rows: all
SELECT
    waiting_id,
    stream_id,
    user_id,
    quantity,
    status,
    joined_by,
    entry_version,
    entry_hash,
    entry_at_us,
    changed_version,
    changed_hash,
    changed_at_us,
    category,
    hold_id
FROM waiting_list
ORDER BY stream_id, waiting_id
