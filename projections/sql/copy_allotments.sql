-- Write allotments as folded.
-- locks: the new rows
-- index: allotments_pkey
-- rows: one per row sent
COPY allotments (stream_id, kind, name, capacity, taken) FROM STDIN
