-- Write claims on seats as folded, into the table beside.
-- locks: the new rows
-- index: none yet: they are made when all rows are there
-- rows: one per row sent
COPY seat_claims (stream_id, seat, claimed_by) FROM STDIN
