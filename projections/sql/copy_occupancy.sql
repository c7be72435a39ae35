-- Write what is taken of sections, as counted, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per row sent
COPY occupancy (stream_id, section, seats, booked, held) FROM STDIN
