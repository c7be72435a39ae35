-- The streams that have something due: holds that are over, or a cancelled event's places.
-- locks: nothing
-- index: holds_due_idx and streams_cancelled_idx
-- rows: at most the number given, twice
(
    SELECT DISTINCT stream_id
    FROM holds
    WHERE
        status = 'held'
        AND expires_at_us <= (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint
    LIMIT $1
)
UNION
(
    SELECT stream_id
    FROM streams
    WHERE status = 'cancelled' AND (booked + held > 0 OR in_line > 0)
    LIMIT $1
)
