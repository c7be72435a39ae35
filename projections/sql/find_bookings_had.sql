-- Bookings that a user has or ever had, as far as they are counted by now, in order.
-- locks: nothing
-- index: bookings_user_id_stream_id_idx, histories_pkey
-- rows: at most the limit given
SELECT
    booking_id,
    stream_id
FROM (
    SELECT
        booking_id,
        stream_id
    FROM bookings
    WHERE user_id = $1 AND booking_id > $2
    UNION
    SELECT
        subject_id,
        stream_id
    FROM histories
    WHERE user_id = $1 AND subject_id > $2 AND what IN ('booked', 'confirmed', 'received')
) AS had
ORDER BY booking_id
LIMIT $3
