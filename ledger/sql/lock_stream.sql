-- Lock one capacity stream row: the form that a distributed database accepts.
-- locks: the row named, FOR UPDATE
-- index: streams_pkey
-- rows: one, or none when there is no such stream
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
    limit_per_user,
    limit_per_order,
    hold_seconds,
    categories,
    quotas,
    seat_count,
    status,
    in_line
FROM streams
WHERE stream_id = $1
FOR UPDATE
