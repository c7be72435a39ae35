-- What is taken of an event's sections, and how far it is counted.
-- locks: nothing
-- index: streams_pkey, projected_pkey and occupancy_pkey
-- rows: one per section; at least one, without a section where there are none
SELECT
    coalesce(projected.version, 0) AS version,
    CASE
        WHEN projected.version = streams.version
            THEN (extract(EPOCH FROM statement_timestamp()) * 1000000)::bigint
        ELSE coalesce(projected.recorded_at_us, 0)
    END AS as_of_us,
    occupancy.section,
    occupancy.seats,
    occupancy.booked,
    occupancy.held,
    coalesce(projected.capacity, 0) AS capacity
FROM streams
LEFT JOIN projected USING (stream_id)
LEFT JOIN occupancy USING (stream_id)
WHERE streams.stream_id = $1
ORDER BY occupancy.section
