-- The labelled seats of the streams named, best row first.
-- locks: nothing
-- index: seat_rows_pkey
-- rows: one per row of seats
SELECT
    stream_id,
    section,
    row_label,
    category,
    seats
FROM seat_rows
WHERE stream_id = ANY($1::uuid[])
ORDER BY stream_id, position
