-- An event's sales in the minutes that follow a time, and how far they are counted.
-- locks: nothing
-- index: streams_pkey, projected_pkey and sales_pkey
-- rows: one per category of at most as many minutes as asked for; at least one, without a minute where
--   there are none
SELECT
    coalesce(projected.version, 0) AS version,
    CASE
        WHEN projected.version = streams.version
            THEN (extract(EPOCH FROM statement_timestamp()) * 1000000)::bigint
        ELSE coalesce(projected.recorded_at_us, 0)
    END AS as_of_us,
    sales.minute_us,
    sales.category,
    sales.booked,
    sales.cancelled,
    sales.booked_cents,
    sales.cancelled_cents
FROM streams
LEFT JOIN projected USING (stream_id)
LEFT JOIN sales ON
    sales.stream_id = streams.stream_id
    AND sales.minute_us > $2
    AND sales.minute_us <= (
        SELECT max(minute.minute_us)
        FROM (
            SELECT DISTINCT minute_us
            FROM sales
            WHERE stream_id = $1 AND minute_us > $2
            ORDER BY minute_us
            LIMIT $3
        ) AS minute
    )
WHERE streams.stream_id = $1
ORDER BY sales.minute_us, sales.category
