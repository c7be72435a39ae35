-- Write what happened to users, as counted, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per row sent
COPY histories (user_id, seq, stream_id, version, recorded_at_us, what, subject_id, quantity) FROM STDIN
