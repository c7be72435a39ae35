-- An event's revenue, and how far it is counted.
-- locks: nothing
-- index: streams_pkey, projected_pkey and revenue_pkey
-- rows: one per category; at least one, without a category where nothing was sold
SELECT
    coalesce(projected.version, 0) AS version,
    CASE
        WHEN projected.version = streams.version
            THEN (extract(EPOCH FROM statement_timestamp()) * 1000000)::bigint
        ELSE coalesce(projected.recorded_at_us, 0)
    END AS as_of_us,
    revenue.category,
    revenue.booked,
    revenue.cancelled,
    revenue.booked_cents,
    revenue.cancelled_cents
FROM streams
LEFT JOIN projected USING (stream_id)
LEFT JOIN revenue USING (stream_id)
WHERE streams.stream_id = $1
ORDER BY revenue.category
