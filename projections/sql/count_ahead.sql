-- How many wait in line before a version.
-- locks: nothing
-- index: waiting_list_line_idx
-- rows: one
SELECT count(*)
FROM waiting_list
WHERE stream_id = $1 AND status = 'waiting' AND entry_version < $2
