-- Every row of labelled seats, in the order of read_ledger.
-- locks: nothing
-- index: seat_rows_pkey gives the order
-- rows: all
SELECT
    stream_id,
    section,
    row_label,
    category,
    seats
FROM seat_rows
ORDER BY stream_id, position
