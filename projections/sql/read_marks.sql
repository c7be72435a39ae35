-- How far each stream is numbered.
-- locks: nothing
-- index: sequenced_pkey gives the order
-- rows: one per stream that has numbers
SELECT
    stream_id,
    version
FROM sequenced
ORDER BY stream_id
