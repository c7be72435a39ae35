-- Write lengths of waiting lists, as counted, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per row sent
COPY line_lengths (stream_id, category, waiting, places) FROM STDIN
