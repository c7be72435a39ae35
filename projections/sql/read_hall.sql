-- An event's seats, row by row, and the prices of its categories. None of it ever changes.
-- locks: nothing
-- index: streams_pkey and seat_rows_pkey
-- rows: one per row of seats
SELECT
    streams.categories,
    seat_rows.section,
    seat_rows.category,
    seat_rows.seats
FROM streams
INNER JOIN seat_rows USING (stream_id)
WHERE streams.stream_id = $1
