-- One event with its counts.
-- locks: nothing
-- index: streams_pkey
-- rows: one or none
SELECT
    stream_id,
    version,
    head_hash,
    capacity,
    booked,
    held,
    updated_at_us,
    venue_id,
    venue_capacity,
    name,
    starts_at_us,
    sales_open_at_us,
    sales_close_at_us,
    limit_per_user
FROM streams
WHERE stream_id = $1
