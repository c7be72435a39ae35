-- The streams and how many entries each has; only used to share work out evenly.
-- locks: nothing
-- index: none: all is read
-- rows: one per stream
SELECT
    stream_id,
    version
FROM streams
ORDER BY stream_id
