-- The counts of the events named, and the time at which they were true.
-- locks: nothing
-- index: streams_pkey
-- rows: one per existing event named
SELECT
    stream_id,
    version,
    capacity,
    booked,
    held,
    (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint AS as_of_us
FROM streams
WHERE stream_id = ANY($1::uuid[])
