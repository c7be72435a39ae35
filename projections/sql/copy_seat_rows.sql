-- Write rows of labelled seats as folded.
-- locks: the new rows
-- index: seat_rows_pkey
-- rows: one per row sent
COPY seat_rows (stream_id, position, section, row_label, category, seats) FROM STDIN
