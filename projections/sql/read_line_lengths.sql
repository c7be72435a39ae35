-- How many wait for an event, and how far they are counted.
-- locks: nothing
-- index: streams_pkey, projected_pkey and line_lengths_pkey
-- rows: one per category; at least one, without a category where nobody ever waited
SELECT
    coalesce(projected.version, 0) AS version,
    CASE
        WHEN projected.version = streams.version
            THEN (extract(EPOCH FROM statement_timestamp()) * 1000000)::bigint
        ELSE coalesce(projected.recorded_at_us, 0)
    END AS as_of_us,
    line_lengths.category,
    line_lengths.waiting,
    line_lengths.places
FROM streams
LEFT JOIN projected USING (stream_id)
LEFT JOIN line_lengths USING (stream_id)
WHERE streams.stream_id = $1
ORDER BY line_lengths.category
