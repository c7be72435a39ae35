-- Write rows of labelled seats as folded, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per row sent
COPY seat_rows (stream_id, position, section, row_label, category, seats) FROM STDIN
