-- Write stream rows as folded, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per stream sent
COPY streams (
    stream_id, version, head_hash, capacity, booked, held, updated_at_us,
    venue_id, venue_capacity, name, starts_at_us, sales_open_at_us, sales_close_at_us, limit_per_user,
    limit_per_order, hold_seconds, categories, quotas, seat_count, status, in_line
) FROM STDIN
