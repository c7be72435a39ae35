-- Write revenue, as counted, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per row sent
COPY revenue (stream_id, category, booked, cancelled, booked_cents, cancelled_cents) FROM STDIN
