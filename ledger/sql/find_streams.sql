-- Which of the streams named exist: tells a locked stream from one that is not there.
-- locks: nothing
-- index: streams_pkey
-- rows: one per existing stream named
SELECT stream_id
FROM streams
WHERE stream_id = ANY($1::uuid[])
