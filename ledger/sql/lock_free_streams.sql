-- Lock those capacity stream rows of a batch that nobody else has locked.
-- locks: the free ones of the rows named, FOR UPDATE, in id order; waits for none
-- index: streams_pkey
-- rows: one per existing stream named that was free
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
WHERE stream_id = ANY($1::uuid[])
ORDER BY stream_id
FOR UPDATE SKIP LOCKED
