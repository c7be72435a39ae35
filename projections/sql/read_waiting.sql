-- One place in line by its id.
-- locks: nothing
-- index: waiting_list_pkey
-- rows: one or none
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
WHERE waiting_id = $1 AND stream_id = $2
