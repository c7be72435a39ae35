-- Where users who want to get in line are in it already.
-- locks: nothing; their stream rows are locked already
-- index: waiting_list_user_id_stream_id_idx
-- rows: one per user and category in line
SELECT
    waiting_list.waiting_id,
    waiting_list.stream_id,
    waiting_list.user_id,
    waiting_list.quantity,
    waiting_list.status,
    waiting_list.joined_by,
    waiting_list.entry_version,
    waiting_list.entry_hash,
    waiting_list.entry_at_us,
    waiting_list.changed_version,
    waiting_list.changed_hash,
    waiting_list.changed_at_us,
    waiting_list.category,
    waiting_list.hold_id
FROM unnest($1::uuid[], $2::uuid[]) AS named (stream_id, user_id)
INNER JOIN waiting_list USING (stream_id, user_id)
WHERE waiting_list.status = 'waiting'
