-- How many tickets the users named have on the streams named, booked or held.
-- locks: nothing; the stream rows are locked already
-- index: bookings_user_id_stream_id_idx and holds_user_id_stream_id_idx; "<>" keeps the planner off
--        that of live bookings by stream, where it would read all of a stream's for each user
-- rows: at most two per (stream, user) pair
SELECT
    bookings.stream_id,
    bookings.user_id,
    sum(bookings.quantity - jsonb_array_length(bookings.cancelled_tickets))::bigint
FROM unnest($1::uuid[], $2::uuid[]) AS named (stream_id, user_id)
INNER JOIN bookings USING (stream_id, user_id)
WHERE bookings.status <> 'cancelled'
GROUP BY bookings.stream_id, bookings.user_id
UNION ALL
SELECT
    holds.stream_id,
    holds.user_id,
    sum(holds.quantity)::bigint
FROM unnest($1::uuid[], $2::uuid[]) AS named (stream_id, user_id)
INNER JOIN holds USING (stream_id, user_id)
WHERE holds.status = 'held'
GROUP BY holds.stream_id, holds.user_id
