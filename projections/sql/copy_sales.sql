-- Write sales of minutes, as counted, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per row sent
COPY sales (stream_id, minute_us, category, booked, cancelled, booked_cents, cancelled_cents) FROM STDIN
