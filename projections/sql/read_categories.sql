-- The categories of an event and how much of each is taken.
-- locks: nothing
-- index: streams_pkey and allotments_pkey
-- rows: one or none
SELECT
    streams.version,
    (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint AS as_of_us,
    streams.capacity - streams.booked - streams.held AS available,
    streams.categories,
    streams.quotas,
    (
        SELECT jsonb_object_agg(allotments.name, allotments.taken)
        FROM allotments
        WHERE allotments.stream_id = streams.stream_id AND allotments.kind = 'category'
    ) AS taken
FROM streams
WHERE stream_id = $1
