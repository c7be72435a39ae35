-- Write claims on seats as folded.
-- locks: the new rows
-- index: seat_claims_pkey
-- rows: one per row sent
COPY seat_claims (stream_id, seat, claimed_by) FROM STDIN
