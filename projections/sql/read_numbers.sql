-- The number of every entry that has one, in the order of the ledger.
-- locks: nothing
-- index: sequence_stream_id_version_key gives the order
-- rows: all
SELECT
    stream_id,
    version,
    seq
FROM sequence
ORDER BY stream_id, version
