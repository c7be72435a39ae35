-- The number of an entry.
-- locks: nothing
-- index: sequence_stream_id_version_key
-- rows: one, or none while it has no number
SELECT seq
FROM sequence
WHERE stream_id = $1 AND version = $2
