-- Write allotments as folded, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per row sent
COPY allotments (stream_id, kind, name, capacity, taken) FROM STDIN
