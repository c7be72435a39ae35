-- Take the claims off seats that a batch gave back or passed on.
-- locks: the rows named; their stream rows are locked already
-- index: seat_claims_pkey
-- rows: one per seat named that had a claim
DELETE FROM seat_claims
USING unnest($1::uuid[], $2::text[]) AS freed (stream_id, seat)
WHERE seat_claims.stream_id = freed.stream_id AND seat_claims.seat = freed.seat
