-- The labelled seats of an event, row by row, and of each row those that are taken.
-- locks: nothing
-- index: streams_pkey, seat_rows_pkey and seat_claims_pkey
-- rows: one per row of seats
SELECT
    streams.version,
    (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint AS as_of_us,
    seat_rows.section,
    seat_rows.row_label,
    seat_rows.category,
    seat_rows.seats,
    (
        SELECT coalesce(jsonb_agg(seat_claims.seat), '[]')
        FROM jsonb_array_elements_text(seat_rows.seats) AS seat (label)
        INNER JOIN seat_claims ON seat_claims.stream_id = seat_rows.stream_id AND seat_claims.seat = seat.label
    ) AS taken
FROM streams
INNER JOIN seat_rows USING (stream_id)
WHERE streams.stream_id = $1
ORDER BY seat_rows.position
