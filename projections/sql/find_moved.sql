-- Streams that have gone on since they were made beside, or are new.
-- locks: nothing
-- index: none: both tables are read whole
-- rows: one per such stream, with the version that is made of it
SELECT
    live.stream_id,
    coalesce(made.version, 0) AS version
FROM public.streams AS live
LEFT JOIN rebuilding.streams AS made USING (stream_id)
WHERE made.version IS DISTINCT FROM live.version
ORDER BY live.stream_id
