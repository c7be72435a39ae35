-- The places in line that a batch's commands name.
-- locks: nothing; their stream rows are locked already
-- index: waiting_list_pkey
-- rows: one per place in line named that exists
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
FROM unnest($1::uuid[], $2::uuid[]) AS named (stream_id, waiting_id)
INNER JOIN waiting_list USING (stream_id, waiting_id)
