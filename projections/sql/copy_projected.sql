-- Write how far streams are counted, as counted, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per row sent
COPY projected (stream_id, version, recorded_at_us, capacity) FROM STDIN
