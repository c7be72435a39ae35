-- Every stream row, in the order of read_ledger.
-- locks: nothing
-- index: streams_pkey gives the order
-- rows: all
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
ORDER BY stream_id
