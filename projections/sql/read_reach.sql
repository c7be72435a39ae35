-- How far one event and the order of all entries go, what time it is (no earlier than that of the
--   last entry, if clocks were set), and when the event began.
-- locks: nothing
-- index: streams_pkey, ledger_pkey
-- rows: one; none for an unknown event
SELECT
    streams.version,
    first.recorded_at_us AS began_at_us,
    (SELECT next_seq FROM sequencer) AS next_seq,
    greatest(
        (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint, streams.updated_at_us
    ) AS now_us
FROM streams
INNER JOIN ledger AS first ON first.stream_id = streams.stream_id AND first.version = 1
WHERE streams.stream_id = $1
