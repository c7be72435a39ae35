-- How many tickets the users named hold on the streams named.
-- locks: nothing; the stream rows are locked already
-- index: bookings_user_id_stream_id_idx
-- rows: one per (stream, user) pair with a live booking
SELECT
    bookings.stream_id,
    bookings.user_id,
    sum(bookings.quantity)::bigint
FROM unnest($1::uuid[], $2::uuid[]) AS named (stream_id, user_id)
INNER JOIN bookings USING (stream_id, user_id)
WHERE bookings.status = 'booked'
GROUP BY bookings.stream_id, bookings.user_id
